"""The work of apps/run."""

import difflib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import machine  # noqa: E402
from building import BuildDirectory, BuildFailed  # noqa: E402

USAGE = """\
apps/run              builds everything and shows a TCP echo server at work
apps/run NAME ARGS... builds and runs one demo; `apps/run NAME --help` tells its arguments
apps/run --list       names the demos
apps/run bench        measures; `apps/run bench --help` tells what"""

RELEASE = BuildDirectory(
    "release", ["-Dbuildtype=release", "-Dapps=enabled", "-Dtests=disabled", "-Dio_uring=enabled"]
)
CONVERSATION = ["hello", "many coroutines, one thread", "goodbye"]
PATIENCE = 10  # seconds that a demo may take to answer; none of them needs a tenth of one


class ShowFailed(Exception):
    pass


def demos():
    """Names and descriptions; a demo opens with `// name: description`."""
    found = {}
    for file in sorted((ROOT / "apps").glob("*.cpp")):
        opening = re.match(r"// (\w+): (.+)", file.read_text())
        found[file.stem] = opening[2] if opening and opening[1] == file.stem else "(its first line does not tell)"
    return found


def list_demos():
    found = demos()
    width = max(map(len, found), default=0)
    for name, description in found.items():
        print(f"{name:{width}}  {description}")


def build(targets=()):
    needs = machine.LIBRARY_NEEDS + machine.APP_NEEDS
    machine.ensure(machine.compiler_needs() + machine.TOOLS + needs)
    RELEASE.build(targets)


def program(name):
    return str(RELEASE.path / "apps" / name)


def run_demo(name, arguments):
    found = demos()
    if name not in found:
        similar = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {similar[0]}?" if similar else "apps/run --list names the demos"
        print(f"there is no demo {name}; {hint}", file=sys.stderr)
        return 2
    build([f"apps/{name}"])
    os.execv(program(name), [name, *arguments])


def show():
    build()
    print("\nA TCP echo server on 127.0.0.1, its backend chosen automatically:")
    server = start("tcp_echo_server", "--port", "0", "--verbose")
    try:
        address, backend = read_match(server, r"listening on ([\d.]+:\d+) \((\w+)\)")
        (reason,) = read_match(server, r"backend: (.+)")
        host, port = address.split(":")
        where = ["--host", host, "--port", port]

        print("\nA short conversation with it:")
        converse(where)

        print("\nTwo seconds of load, 64 connections with 64 bytes each:", flush=True)
        load(where)

        server.send_signal(signal.SIGINT)
        print(server.communicate(timeout=PATIENCE)[0].decode(), end="")
        if server.returncode != 0:
            raise ShowFailed(f"the server ended with status {server.returncode} when it was interrupted")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    print(f"\nbackend: {backend} ({reason.removeprefix(backend + ': ')})")
    print("The server was interrupted, and ended well. `apps/run --list` names the other demos.")
    return 0


def start(name, *arguments):
    print(f"$ {name} {' '.join(arguments)}", flush=True)
    # Unbuffered, so that select() knows of every line that has not been read.
    return subprocess.Popen([program(name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)


def read_match(process, pattern):
    """Shows the lines of a demo up to one that matches, and returns the groups of that."""
    deadline = time.monotonic() + PATIENCE
    while select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
        line = process.stdout.readline().decode()
        if not line:
            raise ShowFailed("the server ended too early")
        print(line, end="", flush=True)
        if match := re.search(pattern, line):
            return match.groups()
    raise ShowFailed("the server says nothing")


def converse(where):
    print(f"$ echo_client tcp {' '.join(where)}", flush=True)
    client = subprocess.run(
        [program("echo_client"), "tcp", *where],
        input="".join(f"{line}\n" for line in CONVERSATION),
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    echoes = client.stdout.splitlines()
    for said, echoed in zip(CONVERSATION, echoes):
        print(f"  > {said}\n  < {echoed}")
    if client.returncode != 0 or echoes != CONVERSATION:
        raise ShowFailed(f"the echo was {echoes}, and the client's status {client.returncode}")


def load(where):
    arguments = ["tcp", *where, "--connections", "64", "--size", "64", "--duration", "2s"]
    print(f"$ loadgen {' '.join(arguments)}", flush=True)
    if subprocess.run([program("loadgen"), *arguments], stdin=subprocess.DEVNULL).returncode != 0:
        raise ShowFailed("the load did not end well")


def main():
    name, *arguments = sys.argv[1:] or [None]
    try:
        if name is None:
            return show()
        if name in ("-h", "--help"):
            print(USAGE)
            return 0
        if name == "--list":
            list_demos()
            return 0
        if name == "bench":
            os.execv(sys.executable, [sys.executable, str(ROOT / "apps" / "bench" / "run.py"), *arguments])
        return run_demo(name, arguments)
    except (machine.Missing, BuildFailed, ShowFailed, subprocess.TimeoutExpired) as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
