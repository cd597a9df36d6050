"""What is compared. A further candidate is one more entry."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parents[1] / "peers"
INTERPRETERS = ("/usr/bin/python3", sys.executable)  # Debian's packages belong to the first


@dataclass(frozen=True)
class Candidate:
    name: str
    title: str
    backend: str  # what the kernel is asked through: its raw peer is the limit for this one
    program: str
    arguments: tuple = ()
    package: str = ""  # of Debian
    module: str = ""  # that a Python program needs
    without: tuple = ()  # modes that it has not
    threads: bool = False  # several, which wait for each other


CANDIDATES = (
    Candidate("uring", "raw liburing, tuned", "io_uring", "uring_echo", package="liburing-dev"),
    Candidate(
        "uring-plain",
        "raw liburing, plain",
        "io_uring",
        "uring_echo",
        arguments=("--plain",),
        package="liburing-dev",
        without=("proxy",),
    ),
    Candidate("epoll", "raw epoll", "epoll", "epoll_echo"),
    Candidate("sennit-uring", "sennit on io_uring", "io_uring", "sennit_echo", ("--backend", "io_uring")),
    Candidate("sennit-epoll", "sennit on epoll", "epoll", "sennit_echo", ("--backend", "epoll")),
    Candidate(
        "lease-uring",
        "sennit on io_uring, leases",
        "io_uring",
        "sennit_echo",
        ("--backend", "io_uring", "--lease"),
        without=("udp", "proxy"),
    ),
    Candidate(
        "lease-epoll",
        "sennit on epoll, leases",
        "epoll",
        "sennit_echo",
        ("--backend", "epoll", "--lease"),
        without=("udp", "proxy"),
    ),
    Candidate(
        "spin-uring",
        "sennit on io_uring, spinning",
        "io_uring",
        "sennit_echo",
        ("--backend", "io_uring", "--spin", "100"),
        without=("udp", "proxy"),
    ),
    Candidate(
        "asio-uring",
        "Asio coroutines on io_uring",
        "io_uring",
        "asio_coroutines_io_uring",
        package="libasio-dev",
    ),
    Candidate("asio-epoll", "Asio coroutines on epoll", "epoll", "asio_coroutines_epoll", package="libasio-dev"),
    Candidate("asio-callbacks", "Asio callbacks on epoll", "epoll", "asio_callbacks", package="libasio-dev"),
    Candidate("libuv", "libuv", "epoll", "libuv_echo", package="libuv1-dev"),
    Candidate("go", "Go net", "epoll", "go_echo", package="golang-go", threads=True),
    Candidate("uvloop", "uvloop", "epoll", "asyncio_echo.py", ("--uvloop",), "python3-uvloop", "uvloop"),
    Candidate("asyncio", "Python asyncio", "epoll", "asyncio_echo.py", package="python3", module="asyncio"),
    Candidate("twisted", "Twisted", "epoll", "twisted_echo.py", package="python3-twisted", module="twisted"),
)

LIMIT = "uring"  # what everything is compared with
RAW = {"io_uring": ("uring", "uring-plain"), "epoll": ("epoll",)}  # the limit for each backend: the best of these


class Absent(Exception):
    """Why a candidate cannot take part."""


def named(name):
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def command(candidate, programs, mode):
    """The command line, to which the options of the peer are added. Raises Absent."""
    if candidate.program.endswith(".py"):
        start = [interpreter_with(candidate), str(PEERS / candidate.program)]
    else:
        program = programs / candidate.program
        if not program.exists():
            raise Absent(f"not built: {candidate.package or candidate.program} is not installed")
        start = [str(program)]
    return [*start, mode, *candidate.arguments]


def interpreter_with(candidate):
    for interpreter in INTERPRETERS:
        if shutil.which(interpreter) is None:
            continue
        check = [interpreter, "-c", f"import {candidate.module}"]
        if subprocess.run(check, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return interpreter
    raise Absent(f"{candidate.package} is not installed")
