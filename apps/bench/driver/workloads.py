"""What the candidates are measured with, and the figure of each workload that is compared: the lower the better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    key: str  # in a sample's values
    title: str
    unit: str
    scale: float  # from what a sample holds to the unit


CPU = Figure("cpu_ns", "server CPU a {message}", "us", 1e-3)
LATENCY = Figure("p50_ns", "median latency", "us", 1e-3)
MEMORY = Figure("bytes_each", "resident a connection", "B", 1)


@dataclass(frozen=True)
class Target:
    """What sennit is meant to reach at most, with each of these candidates."""

    most: float
    relative: bool = True  # to the best raw program on the same backend; otherwise in the unit of the figure
    candidates: tuple = ("sennit-uring", "sennit-epoll")


@dataclass(frozen=True)
class Race:
    """How many messages a second sennit is meant to answer at least for each one of a peer."""

    ours: str
    theirs: str
    least: float


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    mode: str  # of the peer
    load: tuple  # the command line of the load generator
    connections: int
    figure: Figure = CPU
    size: int = 64
    message: str = "message"
    remark: str = ""  # to know when reading the table
    target: Target | None = None
    races: tuple = ()

    def figure_title(self):
        return self.figure.title.format(message=self.message)


def echo(name, title, connections, most, size=64, depth=1, races=()):
    load = ("tcp", "--depth", str(depth))
    return Workload(name, title, "tcp", load, connections, size=size, target=Target(most), races=races)


WORKLOADS = (
    echo("echo-1", "TCP echo, 1 x 64 B", 1, most=1.00),
    echo(
        "echo-64",
        "TCP echo, 64 x 64 B",
        64,
        most=1.02,
        races=(
            Race("sennit-uring", "asio-epoll", 1.35),
            Race("sennit-uring", "asio-uring", 1.12),
            Race("sennit-epoll", "asio-epoll", 1.10),
        ),
    ),
    echo("echo-1000", "TCP echo, 1000 x 64 B", 1000, most=1.02),
    echo("echo-16k", "TCP echo, 64 x 16 KiB", 64, size=16384, most=1.02),
    echo("echo-deep", "TCP echo, 64 x 64 B, 16 in flight on each", 64, depth=16, most=1.02),
    Workload(
        "churn",
        "connect, one echo, close; 64 at a time",
        "tcp",
        ("churn",),
        64,
        message="connection",
        target=Target(1.05),
    ),
    Workload("udp", "UDP echo, 64 sockets x 64 B", "udp", ("udp",), 64, target=Target(1.05)),
    Workload(
        "idle",
        "10,000 idle connections",
        "tcp",
        ("idle",),
        10000,
        figure=MEMORY,
        target=Target(300, relative=False, candidates=("lease-uring", "lease-epoll")),
    ),
    Workload(
        "proxy",
        "TCP proxy, 16 connections, one way",
        "proxy",
        ("proxy",),
        16,
        size=16384,
        message="16 KiB",
        remark="raw epoll, sennit and Go hand the bytes on with splice(2), which copies nothing; the others copy",
    ),
    Workload(
        "first-byte",
        "from connect to the first byte, one at a time",
        "tcp",
        ("churn",),
        1,
        figure=LATENCY,
        message="connection",
    ),
)


def named(name):
    return next(workload for workload in WORKLOADS if workload.name == name)
