"""What --fuzz adds: libFuzzer looks for inputs that break what the parsers promise, each parser for so many seconds."""

import re
import subprocess
import tempfile
from pathlib import Path

import results
import suites
from building import BUILD_ROOT, ROOT, BuildDirectory

FUZZ = ROOT / "tests" / "fuzz"
FOUND = BUILD_ROOT / "fuzz-found"  # the inputs that broke something
LEARNED = BUILD_ROOT / "fuzz-corpus"  # the inputs that reached something new; they are the start of the next run
LONGEST_INPUT = 1024

OPTIONS = [
    "-Dbuildtype=debugoptimized",
    "-Ddefault_library=static",
    "-Db_sanitize=address,undefined",
    "-Db_lundef=false",
    "-Dcpp_args=-g1 -fsanitize=fuzzer-no-link",
    "-Dfuzz=enabled",
    "-Dapps=enabled",
    "-Dtests=enabled",
]


class Fuzzer(suites.Suite):
    """One parser; its tests are the inputs that were tried, which pass as one."""

    def __init__(self, build, target, seconds):
        super().__init__(f"fuzz/{target}", build, [f"tests/fuzz/{target}_fuzzer"])
        self.target = target
        self.seconds = seconds

    def command(self, parts):
        learned = LEARNED / self.target
        for directory in (learned, FOUND):
            directory.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={self.seconds}", f"-max_len={LONGEST_INPUT}", "-print_final_stats=1"]
        where = [f"-artifact_prefix={FOUND}/{self.target}-", str(learned), str(FUZZ / "corpus" / self.target)]
        return [str(self.build.path / self.targets[0]), *options, *where]

    def inputs(self):
        return [self.build.path / self.targets[0]]

    def names(self, parts):
        return []

    def known_green(self):
        return None  # looking again may find something new

    def read(self, status, report, log):
        tried = re.search(r"stat::number_of_executed_units:\s+(\d+)", log)
        print(f"{self.name}: {tried[1] if tried else 'no'} inputs tried", flush=True)
        if status == 0 and tried:
            return results.Result(passed=1)
        return results.Result(failed=[f"{self.target} ({results.ending(status)})"], complaint=results.tail(log))


def fuzzers(seconds, clang):
    """A suite for each parser. `clang` is the name of a clang that is new enough, or None."""
    if clang is None or not has_libfuzzer(clang):
        print(f"no fuzzing: {'there is no clang of version 16 or newer' if clang is None else f'{clang} has no libFuzzer'}")
        return []
    build = BuildDirectory("fuzz", OPTIONS, compiler=clang)
    targets = sorted(folder.name for folder in (FUZZ / "corpus").iterdir())
    return [Fuzzer(build, target, seconds) for target in targets]


def has_libfuzzer(clang):
    program = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
    with tempfile.TemporaryDirectory() as directory:
        command = [clang, "-fsanitize=fuzzer,address", "-x", "c++", "-", "-o", str(Path(directory) / "probe")]
        return subprocess.run(command, input=program, capture_output=True, text=True).returncode == 0
