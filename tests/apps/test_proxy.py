"""The proxy, between plain sockets."""

import select
import socket
import unittest

from support import (
    PATIENCE,
    Background,
    Server,
    SmallServer,
    free_port,
    noise,
    on_both_backends,
    receive_all,
    receive_exactly,
    reset,
)

MUCH = 24 << 20  # bytes; more than the socket buffers on the way hold


class Target:
    """Where the proxy forwards to: a listener whose connections the test holds in its hands."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listener.settimeout(PATIENCE)
        self.place = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(PATIENCE)
        return connection


@on_both_backends
class TcpProxy:
    def setUp(self):
        self.target = Target()
        self.addCleanup(self.target.listener.close)
        self.proxy = self.start(self.target.place)

    def start(self, target):
        proxy = Server("tcp_proxy", "0", target, backend=self.backend)
        self.addCleanup(proxy.__exit__)
        return proxy

    def connect(self):
        """Both ends of a connection through the proxy."""
        client = self.proxy.connect()
        self.addCleanup(client.close)
        server = self.target.accept()
        self.addCleanup(server.close)
        return client, server

    def test_both_directions(self):
        client, server = self.connect()
        client.sendall(b"from the client")
        self.assertEqual(receive_exactly(server, 15), b"from the client")
        server.sendall(b"from the server")
        self.assertEqual(receive_exactly(client, 15), b"from the server")

    def test_much_in_both_directions_at_once(self):
        client, server = self.connect()
        there, back = noise(MUCH, 1), noise(MUCH, 2)
        sending = [Background(client.sendall, there), Background(server.sendall, back)]
        receiving = Background(receive_exactly, server, MUCH)
        self.assertTrue(receive_exactly(client, MUCH) == back)
        self.assertTrue(receiving.result() == there)
        for each in sending:
            each.result()

    def test_each_direction_ends_by_itself(self):
        client, server = self.connect()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(server), b"question")
        server.sendall(b"a late answer")
        self.assertEqual(receive_exactly(client, 13), b"a late answer")
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(10), b"")

        client, server = self.connect()
        server.sendall(b"greeting")
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(client), b"greeting")
        client.sendall(b"thanks")
        self.assertEqual(receive_exactly(server, 6), b"thanks")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(server.recv(10), b"")

    def test_many_connections(self):
        pairs = [self.connect() for _ in range(100)]
        for number, (client, _) in enumerate(pairs):
            client.sendall(b"%03d" % number)
        for number, (_, server) in enumerate(pairs):
            self.assertEqual(receive_exactly(server, 3), b"%03d" % number)

    def test_target_that_is_not_there(self):
        port = free_port()
        proxy = self.start(f"127.0.0.1:{port}")
        with proxy.connect() as client:
            try:
                self.assertEqual(client.recv(10), b"")
            except ConnectionResetError:
                pass
        proxy.stop()
        self.assertRegex(proxy.errors(), rf"^a connection to 127\.0\.0\.1:{port} ended: .*Connection refused\n$")

    def test_client_that_vanishes(self):
        client, server = self.connect()
        client.sendall(b"hello")
        receive_exactly(server, 5)
        reset(client)
        self.assertEqual(server.recv(10), b"")
        self.test_both_directions()

    def test_server_that_vanishes(self):
        client, server = self.connect()
        client.sendall(b"hello")
        receive_exactly(server, 5)
        reset(server)
        self.assertEqual(client.recv(10), b"")
        self.test_both_directions()

    def test_slow_receiver_slows_the_sender_down(self):
        client, server = self.connect()
        client.setblocking(False)
        piece = noise(1 << 16)
        sent = bytearray()
        while select.select([], [client], [], 1)[1]:  # full when a second brings no room
            sent += piece[: client.send(piece)]
            self.assertLess(len(sent), 256 << 20, "the proxy takes everything and keeps it")
        client.settimeout(PATIENCE)
        self.assertTrue(receive_exactly(server, len(sent)) == sent)

    def test_end_of_the_proxy_delivers_what_was_sent(self):
        def answer(connection):
            connection.sendall(receive_all(connection))

        with SmallServer(answer) as target:
            proxy = self.start("%s:%d" % target.address)
            with proxy.connect() as client:
                client.sendall(b"x")
                while target.connections == 0:
                    self.assertTrue(proxy.process.poll() is None)
                client.sendall(noise(50_000))
                proxy.interrupt()
                received = receive_all(client)
                proxy.finish()
                self.assertEqual(proxy.status, 0)
                self.assertTrue((b"x" + noise(50_000)).startswith(received))
                self.assertGreater(len(received), 0)


if __name__ == "__main__":
    unittest.main()
