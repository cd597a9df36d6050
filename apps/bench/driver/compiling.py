"""What a user's build pays: the CPU time to compile the umbrella header and an echo server, and the object's size."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from noise import combine, median, uncertainty
from summary import Value

BENCH = Path(__file__).resolve().parents[1]
ROOT = BENCH.parents[1]
FLAGS = ["-std=c++20", "-O2", "-DNDEBUG", "-foptimize-sibling-calls", "-c"]
FOR_CLANG = ["-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE"]  # older Asio does not know that clang has coroutines
DIRECTORIES = [ROOT / module / "include" for module in ("runtime", "net")]
INCLUDES = [f"-I{directory}" for directory in DIRECTORIES]


def standard_headers(header="sennit/sennit.hpp"):
    """What a header of sennit's includes in the end that is not sennit's."""
    names, seen, left = set(), set(), [header]
    while left:
        header = left.pop()
        source = next((each / header for each in DIRECTORIES if (each / header).exists()), None)
        if source is None:
            names.add(header)
        elif header not in seen:
            seen.add(header)
            left += re.findall(r"#include <([^>]+)>", source.read_text())
    return "".join(f"#include <{name}>\n" for name in sorted(names))


# What is compiled: a title, and a file or the text of one.
UNITS = (
    ("nothing", "int main() {}\n"),
    ("sennit/sennit.hpp", "#include <sennit/sennit.hpp>\nint main() {}\n"),
    ("the standard headers that it includes", f"{standard_headers()}int main() {{}}\n"),
    ("asio.hpp", "#include <asio.hpp>\nint main() {}\n"),
    ("echo server, sennit", BENCH / "compile" / "sennit_echo_server.cpp"),
    ("echo server, Asio coroutines", BENCH / "compile" / "asio_echo_server.cpp"),
)

# The first is meant to take at most this share of the time that the second takes.
TARGET = ("sennit/sennit.hpp", "asio.hpp", 1 / 3)


def measure(compiler, rounds, result, progress):
    """Fills the result."""
    failed = set()
    with tempfile.TemporaryDirectory() as directory:
        times = {title: [] for title, _ in UNITS}
        for number in range(rounds):
            for title, source in UNITS:
                if title in failed:
                    continue
                progress(f"compile: {title}, round {number + 1} of {rounds}")
                output = Path(directory) / "unit.o"
                seconds, complaint = compile_once(compiler, source, directory, output)
                if seconds is None:
                    result["skipped"][f"compiling {title}"] = complaint
                    failed.add(title)
                    continue
                times[title].append(seconds)
                result["compile"][title] = {
                    "bytes": code_and_data(output),
                    "seconds": median(times[title]),
                    "seconds_uncertainty": uncertainty(times[title]),
                }


def compile_once(compiler, source, directory, output):
    """CPU seconds, or None and what the compiler said."""
    if isinstance(source, str):
        path = Path(directory) / "unit.cpp"
        path.write_text(source)
    else:
        path = source
    flags = [*FLAGS, *(FOR_CLANG if "clang" in compiler else [])]
    before = os.times()
    done = subprocess.run(
        [*compiler.split(), *flags, *INCLUDES, str(path), "-o", str(output)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    after = os.times()
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "error" in line]
        return None, (errors or ["the compiler failed"])[0]
    return after.children_user + after.children_system - before.children_user - before.children_system, None


def ratio(values, others):
    """Of the times of two units."""
    pair = [Value(each["seconds"], each["seconds_uncertainty"]) for each in (values, others)]
    found = pair[0].median / pair[1].median
    noise = combine(*(value.relative() for value in pair))
    return Value(found, None if noise is None else noise * found)


def code_and_data(path):
    """Bytes of text and data, by size(1), or of the file where there is no size."""
    try:
        command = ["size", str(path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        fields = done.stdout.splitlines()[1].split()
        return int(fields[0]) + int(fields[1])
    except (OSError, subprocess.CalledProcessError):
        return path.stat().st_size
