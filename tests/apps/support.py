"""What the tests of the demos share: starting them, reading what they print, and both backends."""

import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(os.environ.get("SENNIT_APPS_DIR", ROOT / "build" / "test" / "apps"))
BUILD = Path(os.environ.get("SENNIT_BUILD_DIR", APPS.parent))

# A bound for failures: what works never needs a fraction of it, also under sanitizers on a busy machine.
PATIENCE = 120  # seconds

BACKENDS = ("epoll", "io_uring")
CTIME = rb"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]"


class Program:
    """A demo that runs. Its standard output is read while waiting for something in it, its errors at the end."""

    def __init__(self, name, *arguments, wrapper=(), environment=None, stdin=subprocess.PIPE):
        self.name = name
        self.errors_file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*map(str, wrapper), str(APPS / name), *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=self.errors_file,
            bufsize=0,
            env={**os.environ, **(environment or {})},
        )
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, kind=None, failure=None, trace=None):
        ended = self.process.poll()
        if ended is None:
            self.process.kill()
            self.process.wait()
        if failure is not None:
            state = "was running" if ended is None else f"had ended with {ended}"
            failure.add_note(f"{self.name} {state} when the test failed; its errors: {self.errors() or 'none'}")
        for file in (self.process.stdin, self.process.stdout, self.errors_file):
            if file is not None:
                file.close()

    def expect(self, pattern):
        """Reads until the pattern is found; gives the match, and takes everything up to its end."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.unread)):
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{self.name}: no {pattern} in {self.unread}; {self.errors()}")
            chunk = self.process.stdout.read(65536)
            if not chunk:
                raise AssertionError(f"{self.name} ended without {pattern}: {self.unread}; {self.errors()}")
            self.unread += chunk
        self.unread = self.unread[match.end() :]
        return match

    def write(self, data):
        self.process.stdin.write(data)

    def close_input(self):
        self.process.stdin.close()
        self.process.stdin = None

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def finish(self, stdin=b""):
        """Writes the rest of its input, waits for its end and gives the rest of its output."""
        if self.process.stdin is None:
            assert not stdin
        try:
            rest, _ = self.process.communicate(stdin if self.process.stdin else None, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end: {self.errors()}") from None
        finally:
            self.process.stdin = None
        rest = self.unread + rest
        self.unread = b""
        return rest

    @property
    def status(self):
        return self.process.returncode

    def errors(self):
        self.errors_file.seek(0)
        return self.errors_file.read().decode(errors="replace")


class Server(Program):
    """A demo that listens, from the moment that it says so."""

    def __init__(self, name, *arguments, backend="epoll", **how):
        port = () if name in ("unix_echo_server", "tcp_proxy") else ("--port", "0")
        super().__init__(name, *port, "--backend", backend, *arguments, stdin=subprocess.DEVNULL, **how)
        try:
            announced = self.expect(rb"\Alistening on (\S+) \((\w+)\)\n")
        except BaseException:
            self.__exit__()
            raise
        self.place = announced[1].decode()
        self.backend = announced[2].decode()
        if not self.place.startswith("unix:"):
            host, _, port = self.place.rpartition(":")
            self.address = (host.strip("[]"), int(port))

    @property
    def arguments(self):
        """How a client is told where this server is."""
        return ("--host", self.address[0], "--port", str(self.address[1]))

    def connect(self):
        connection = socket.create_connection(self.address, timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def datagrams(self):
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.settimeout(PATIENCE)
        connection.connect(self.address)
        return connection

    def stop(self):
        """Ctrl-C. Gives what it still printed; it must have ended well."""
        self.interrupt()
        rest = self.finish()
        if self.status != 0:
            raise AssertionError(f"{self.name} ended with {self.status}: {self.errors()}")
        return rest.decode()


def run(name, *arguments, stdin=b"", **how):
    """Runs a demo to its end: (status, output, errors)."""
    with Program(name, *arguments, **how) as program:
        output = program.finish(stdin)
        return program.status, output, program.errors()


_unavailable = {}


def why_unavailable(backend):
    """Why this machine, or this build, cannot run the demos on a backend; None when it can."""
    if backend not in _unavailable:
        try:
            with Server("tcp_echo_server", backend=backend) as server:
                server.stop()
            _unavailable[backend] = None
        except AssertionError as failure:
            reason = re.search(r"error: (io_uring was requested .*)", str(failure))
            if backend == "epoll" or reason is None:
                raise
            _unavailable[backend] = reason[1]
    return _unavailable[backend]


def on_both_backends(scenarios):
    """Makes two test cases of a class: one for each backend. A backend that cannot be had is skipped, with its reason."""

    def set_up_class(cls):
        if reason := why_unavailable(cls.backend):
            raise unittest.SkipTest(reason)

    module = sys.modules[scenarios.__module__]
    for backend in BACKENDS:
        name = f"{scenarios.__name__}_{backend}"
        members = {"backend": backend, "setUpClass": classmethod(set_up_class), "__module__": scenarios.__module__}
        setattr(module, name, type(name, (scenarios, unittest.TestCase), members))
    return scenarios


class Background:
    """A function on a thread; what it raises is raised by `result`."""

    def __init__(self, function, *arguments):
        self.value = None
        self.error = None

        def work():
            try:
                self.value = function(*arguments)
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def result(self):
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise AssertionError("a background activity does not end")
        if self.error is not None:
            raise self.error
        return self.value


class SmallServer:
    """A server of plain Python for one test: `serve(connection)` on a thread for each connection."""

    def __init__(self, serve, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(128)
        self.address = self.listener.getsockname()
        self.serve = serve
        self.connections = 0
        self.accepting = Background(self.accept_all)

    def accept_all(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(PATIENCE)
            Background(self.serve_one, connection)

    def serve_one(self, connection):
        with connection:
            self.serve(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepting.result()

    @property
    def arguments(self):
        return ("--host", self.address[0], "--port", str(self.address[1]))


def receive_all(connection):
    """Everything up to the end of the stream."""
    chunks = []
    while chunk := connection.recv(1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def receive_exactly(connection, size):
    chunks = []
    while size:
        chunk = connection.recv(min(size, 1 << 20))
        if not chunk:
            raise AssertionError(f"the stream ended {size} bytes too early")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def reset(connection):
    """Ends a connection without politeness, as a process that is killed or a machine that restarts does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def noise(size, seed=1):
    """Bytes of every kind that are always the same."""
    return random.Random(seed).randbytes(size)


def free_port():
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
