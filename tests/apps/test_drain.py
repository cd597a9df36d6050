"""Ctrl-C while a server is busy: what it has accepted it also answers."""

import os
import re
import signal
import socket
import tempfile
import threading
import unittest
from pathlib import Path

from support import PATIENCE, Background, Server, noise, on_both_backends

DATA = noise(1 << 20)


class BusyClient:
    """Sends without end and reads what comes back, until the server ends the stream."""

    def __init__(self, connection):
        self.connection = connection
        self.sent = 0
        self.received = 0
        self.right = True
        self.under_way = threading.Event()  # something has come back
        self.ended = threading.Event()
        self.sending = Background(self.send)
        self.receiving = Background(self.receive)

    def send(self):
        while not self.ended.is_set():
            start = self.sent % len(DATA)
            self.sent += self.connection.send(DATA[start : start + 8192])
        self.connection.shutdown(socket.SHUT_WR)

    def receive(self):
        try:
            while chunk := self.connection.recv(65536):
                start = self.received % len(DATA)
                expected = (DATA[start:] + DATA)[: len(chunk)]
                self.right = self.right and chunk == expected
                self.received += len(chunk)
                if self.received > len(DATA):
                    self.under_way.set()
        finally:
            self.ended.set()
            self.under_way.set()

    def finish(self):
        self.receiving.result()
        self.sending.result()
        self.connection.close()


def numbers(line):
    """What a server says in the end: how many it served, bytes received, bytes sent."""
    return [int(number) for number in re.fullmatch(r"served (\d+) \w+, received (\d+) bytes, sent (\d+) bytes\n", line).groups()]


@on_both_backends
class Drain:
    def check_streams(self, server, connections):
        clients = [BusyClient(connection) for connection in connections]
        for client in clients:
            self.assertTrue(client.under_way.wait(PATIENCE))
        server.interrupt()
        for client in clients:
            client.finish()
        served, received, sent = numbers(server.finish().decode())
        self.assertEqual((server.status, server.errors()), (0, ""))
        for client in clients:
            self.assertTrue(client.right, "not what was sent, or not in its order")
            self.assertLessEqual(client.received, client.sent)
            self.assertGreater(client.received, len(DATA))
        self.assertEqual(served, len(clients))
        self.assertEqual(received, sent, "something was taken and not answered")
        self.assertEqual(sum(client.received for client in clients), sent, "something was answered and did not arrive")

    def test_tcp_server_under_load_answers_all_it_has_taken(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            self.check_streams(server, [server.connect() for _ in range(12)])

    def test_unix_server_under_load_answers_all_it_has_taken(self):
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "echo")
            with Server("unix_echo_server", "--path", path, backend=self.backend) as server:
                connections = []
                for _ in range(12):
                    connection = socket.socket(socket.AF_UNIX)
                    connection.settimeout(PATIENCE)
                    connection.connect(path)
                    connections.append(connection)
                self.check_streams(server, connections)
            self.assertFalse(os.path.exists(path))

    def test_udp_server_under_load_answers_all_it_has_taken(self):
        with Server("udp_echo_server", backend=self.backend) as server, server.datagrams() as client:
            ended = threading.Event()

            def flood():
                while not ended.is_set():
                    try:
                        client.send(noise(1000))
                    except ConnectionRefusedError:  # the server has ended
                        return

            flooding = Background(flood)
            for _ in range(1000):
                self.assertEqual(client.recv(2000), noise(1000))
            server.interrupt()
            said = server.finish().decode()
            ended.set()
            flooding.result()
            served, received, sent = numbers(said)
            self.assertEqual(server.status, 0)
            self.assertGreaterEqual(served, 1000)
            self.assertEqual((received, sent), (served * 1000, served * 1000))

    def test_termination_is_the_same_as_control_c(self):
        with Server("tcp_echo_server", backend=self.backend) as server, server.connect() as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(10), b"hello")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(client.recv(10), b"")
            client.close()
            self.assertIn(b"served 1 connections, received 5 bytes, sent 5 bytes\n", server.finish())
            self.assertEqual(server.status, 0)

    def test_second_control_c_ends_a_server_whose_client_does_not_read(self):
        with Server("tcp_echo_server", backend=self.backend) as server, server.connect() as stuck:
            stuck.setblocking(False)
            try:
                while True:
                    stuck.send(bytes(65536))  # until the server waits to send, and we do
            except BlockingIOError:
                pass
            server.interrupt()
            while True:  # until the first signal has had its effect: nobody listens any more
                try:
                    server.connect().close()
                except ConnectionRefusedError:
                    break
                except ConnectionResetError:  # it was in the queue when the listener closed
                    continue
            server.interrupt()
            server.process.wait(PATIENCE)
            self.assertEqual(server.status, -signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
