"""Clients that mean no good, at each server of connections: a good client beside them is served."""

import contextlib
import os
import re
import sys
import time
import unittest
from pathlib import Path

from support import Background, Server, on_both_backends, receive_all, receive_exactly
from test_chat import Client

SOON = "200ms"
FLOOD = 300  # connections
DEAF = 5  # clients of the chat that do not read
MEGABYTE = 1 << 20

# Runs a program with few descriptors left, and with its errors among its output. The limit itself is a usual one, so
# that the server expects more.
WITH_FEW_DESCRIPTORS = """
import os, resource, sys
limit, left = 1024, 20
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
for number in range(left, limit):
    os.dup2(0, number)
os.dup2(1, 2)
os.execvp(sys.argv[1], sys.argv[1:])
"""
WITHOUT_DESCRIPTORS = rb"sennit: accept: Too many open files; waiting before the next try\n"


def echoes(client):
    client.sendall(b"good")
    return receive_exactly(client, 4) == b"good"


def tells_the_time(client):
    client.sendall(b"good\n")
    return client.recv(1) == b"["


def greets(client):
    return client.recv(1) != b""


def status_of(server, what):
    """A number of proc_pid_status(5)."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"^{what}:\s+(\d+)", text, re.MULTILINE)[1])


def memory(server):
    return status_of(server, "VmRSS") * 1024


def times_slept(server):
    return status_of(server, "voluntary_ctxt_switches")


SERVED = {
    "tcp_echo_server": echoes,
    "tcp_time_server": tells_the_time,
    "line_time_server": tells_the_time,
    "chat_server": greets,
    "tcp_proxy": echoes,
}


@on_both_backends
class Hostile:
    def start(self, name, *arguments, **how):
        if name == "tcp_proxy":
            target = self.start("tcp_echo_server")
            arguments = ("0", "%s:%d" % target.address, *arguments)
        server = Server(name, *arguments, backend=self.backend, **how)
        self.addCleanup(server.__exit__)
        return server

    def connect(self, server):
        client = server.connect()
        self.addCleanup(client.close)
        return client

    def assert_serves(self, server):
        self.assertTrue(SERVED[server.name](self.connect(server)))

    def test_client_that_never_sends_is_let_go(self):
        for name in SERVED:
            with self.subTest(name):
                server = self.start(name, "--idle-timeout", SOON)
                silent = self.connect(server)
                self.assert_serves(server)
                receive_all(silent)  # until the server ends it
                self.assert_serves(server)

    def test_client_that_never_reads_is_let_go(self):
        for name in ("tcp_echo_server", "tcp_proxy"):
            with self.subTest(name):
                server = self.start(name, "--send-timeout", SOON)
                deaf = self.connect(server)
                with contextlib.suppress(ConnectionError):
                    while True:
                        deaf.send(bytes(65536))
                self.assert_serves(server)

    def test_flood_of_connections_leaves_room_for_a_good_client(self):
        for name in SERVED:
            with self.subTest(name):
                server = self.start(name)
                flood = [server.connect() for _ in range(FLOOD)]
                self.assert_serves(server)
                for connection in flood:
                    connection.close()

    def test_chat_goes_on_without_those_who_do_not_read(self):
        # What is freed is to be gone, also where AddressSanitizer would keep it for a while.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        server = self.start("chat_server", environment={"ASAN_OPTIONS": options})

        def join(**how):
            client = Client(server, **how)
            self.addCleanup(client.leave)
            client.hear()
            return client

        speaker, listener = join(), join()
        deaf = [join(receive_buffer=4096) for _ in range(DEAF)]
        before = memory(server)
        lines = 16 * MEGABYTE // 1000
        said = b"".join(b"%06d%s\n" % (number, b"x" * 993) for number in range(lines))

        def listen():
            heard = []
            notices = 0
            while len(heard) != lines or notices != DEAF:
                line = listener.hear()
                notices += line.endswith(b" was too slow and is out")
                if line.startswith(b"<"):
                    heard.append(int(line[line.index(b" ") :][:7]))
            return heard

        listening = Background(listen)
        speaker.connection.sendall(said)
        self.assertEqual(listening.result(), list(range(lines)))
        self.assertLess(memory(server) - before, 8 * MEGABYTE, "half of what was said")
        for client in deaf:
            with self.assertRaises((ConnectionResetError, AssertionError)):
                while True:
                    client.hear()

    def test_server_without_descriptors_sleeps_and_goes_on(self):
        server = self.start("tcp_echo_server", wrapper=(sys.executable, "-c", WITH_FEW_DESCRIPTORS))
        flood = [self.connect(server) for _ in range(40)]
        server.expect(WITHOUT_DESCRIPTORS)
        started = time.monotonic()
        before = times_slept(server)
        # It says so once a second. What spins never sleeps, and what is woken for nothing sleeps without end; the bound
        # grows with the time that a busy machine takes.
        while times_slept(server) == before:
            server.expect(WITHOUT_DESCRIPTORS)
        slept = times_slept(server) - before
        self.assertLess(slept, 100 + 10 * (time.monotonic() - started))
        for connection in flood[:-1]:
            connection.close()
        self.assertTrue(echoes(flood[-1]))

    def test_line_without_an_end_is_cut_off(self):
        server = self.start("line_time_server")
        endless = self.connect(server)
        with contextlib.suppress(ConnectionError):
            while True:
                endless.sendall(b"x" * 65536)
        self.assert_serves(server)


if __name__ == "__main__":
    unittest.main()
