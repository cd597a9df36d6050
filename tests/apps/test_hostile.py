"""Clients that mean no good, at each server of connections: a good client beside them is served."""

import contextlib
import unittest

from support import Server, on_both_backends, receive_all, receive_exactly

SOON = "200ms"
FLOOD = 300  # connections


def echoes(client):
    client.sendall(b"good")
    return receive_exactly(client, 4) == b"good"


def tells_the_time(client):
    client.sendall(b"good\n")
    return client.recv(1) == b"["


def greets(client):
    return client.recv(1) != b""


SERVED = {
    "tcp_echo_server": echoes,
    "tcp_time_server": tells_the_time,
    "line_time_server": tells_the_time,
    "chat_server": greets,
    "tcp_proxy": echoes,
}


@on_both_backends
class Hostile:
    def start(self, name, *arguments):
        if name == "tcp_proxy":
            target = self.start("tcp_echo_server")
            arguments = ("0", "%s:%d" % target.address, *arguments)
        server = Server(name, *arguments, backend=self.backend)
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

    def test_line_without_an_end_is_cut_off(self):
        server = self.start("line_time_server")
        endless = self.connect(server)
        with contextlib.suppress(ConnectionError):
            while True:
                endless.sendall(b"x" * 65536)
        self.assert_serves(server)


if __name__ == "__main__":
    unittest.main()
