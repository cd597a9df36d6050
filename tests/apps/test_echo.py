"""The echo servers against plain sockets, and echo_client against plain Python servers."""

import fcntl
import os
import socket
import socketserver
import tempfile
import threading
import unittest
from pathlib import Path

from support import (
    Background,
    Program,
    Server,
    SmallServer,
    free_port,
    noise,
    on_both_backends,
    receive_all,
    receive_exactly,
    reset,
    run,
)

MUCH = 24 << 20  # bytes; more than the socket buffers of both sides hold


def echo_everything(connection):
    while chunk := connection.recv(65536):
        connection.sendall(chunk)


class StreamScenarios:
    """What both stream servers must do; `start` gives a server, `connect` a connection to it."""

    def test_every_kind_of_byte_comes_back(self):
        with self.start() as server, self.connect(server) as client:
            data = bytes(range(256)) * 16 + noise(5000)
            client.sendall(data)
            self.assertEqual(receive_exactly(client, len(data)), data)

    def test_one_byte_at_a_time(self):
        with self.start() as server, self.connect(server) as client:
            for byte in noise(300):
                client.sendall(bytes([byte]))
                self.assertEqual(client.recv(10), bytes([byte]))

    def test_more_than_the_buffers_hold(self):
        data = noise(MUCH)
        with self.start() as server, self.connect(server) as client:
            sending = Background(client.sendall, data)
            self.assertTrue(receive_exactly(client, len(data)) == data)
            sending.result()

    def test_half_closed_peer_gets_the_rest_and_then_the_end(self):
        data = noise(300_000)
        with self.start() as server, self.connect(server) as client:

            def send():
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)

            sending = Background(send)
            self.assertTrue(receive_all(client) == data)
            sending.result()

    def test_peer_that_sends_nothing_and_ends(self):
        with self.start() as server:
            with self.connect(server) as client:
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(10), b"")
            self.assertIn("served 1 connections, received 0 bytes, sent 0 bytes", server.stop())

    def test_many_clients_at_once(self):
        with self.start() as server:
            clients = [self.connect(server) for _ in range(200)]
            for number, client in enumerate(clients):
                client.sendall(noise(1000, number))
            for number, client in reversed(list(enumerate(clients))):
                self.assertEqual(receive_exactly(client, 1000), noise(1000, number))
                client.close()
            self.assertIn("served 200 connections, received 200000 bytes, sent 200000 bytes", server.stop())

    def test_slow_reader_holds_up_nobody(self):
        with self.start() as server, self.connect(server) as slow, self.connect(server) as quick:
            slow.setblocking(False)
            try:
                while True:
                    slow.send(bytes(65536))  # until the server stops reading, as it cannot write
            except BlockingIOError:
                pass
            for number in range(100):
                quick.sendall(noise(1000, number))
                self.assertEqual(receive_exactly(quick, 1000), noise(1000, number))

    def test_peers_that_vanish_under_load_harm_nobody(self):
        with self.start() as server, self.connect(server) as witness:
            for number in range(60):
                victim = self.connect(server)
                victim.sendall(noise(200_000))  # more comes back than it reads
                if number % 2:
                    victim.recv(1000)
                reset(victim)
                witness.sendall(noise(500, number))
                self.assertEqual(receive_exactly(witness, 500), noise(500, number))
            witness.shutdown(socket.SHUT_WR)
            self.assertEqual(witness.recv(10), b"")
            self.assertIn("served 61 connections", server.stop())
            self.assertEqual(server.errors(), "", "a peer that goes away is nothing to report")


@on_both_backends
class TcpEchoServer(StreamScenarios):
    def start(self):
        return Server("tcp_echo_server", backend=self.backend)

    def connect(self, server):
        return server.connect()

    def test_it_says_where_and_how_it_listens(self):
        with self.start() as server:
            self.assertRegex(server.place, r"^127\.0\.0\.1:\d+$")
            self.assertEqual(server.backend, self.backend)

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6 here: {error}")
        with Server("tcp_echo_server", "--host", "::1", backend=self.backend) as server:
            self.assertRegex(server.place, r"^\[::1\]:\d+$")
            with server.connect() as client:
                client.sendall(b"six")
                self.assertEqual(client.recv(10), b"six")

    def test_minimal_server_of_the_readme(self):
        # Its port is fixed. The lock keeps test runs at the same time apart; a stranger there is a reason to skip.
        with open(Path(tempfile.gettempdir()) / "sennit-port-21111.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.check_minimal_server()

    def check_minimal_server(self):
        with Program("minimal_echo_server", environment={"SENNIT_BACKEND": self.backend}) as server:
            while server.process.poll() is None:
                try:
                    client = socket.create_connection(("127.0.0.1", 21111), timeout=10)
                except ConnectionRefusedError:
                    continue
                with client:
                    client.sendall(b"short")
                    self.assertEqual(client.recv(10), b"short")
                break
            server.interrupt()
            server.finish()
            if server.status != 0:
                self.assertIn("bind 127.0.0.1:21111: Address already in use", server.errors())
                self.skipTest("port 21111 is in use here")


@on_both_backends
class UnixEchoServer(StreamScenarios):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = str(Path(self.directory.name) / "echo.sock")

    def start(self, path=None):
        return Server("unix_echo_server", "--path", path or self.path, backend=self.backend)

    def connect(self, server, address=None):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(120)
        client.connect(address or self.path)
        return client

    def test_path_is_announced_and_removed_in_the_end(self):
        with self.start() as server:
            self.assertEqual(server.place, f"unix:{self.path}")
            self.assertTrue(os.path.exists(self.path))
            server.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_abstract_name_leaves_no_file(self):
        name = f"sennit_test_{os.getpid()}_{self.backend}"
        with self.start(f"@{name}") as server, self.connect(server, f"\0{name}") as client:
            self.assertEqual(server.place, f"unix:@{name}")
            client.sendall(b"abstract")
            self.assertEqual(client.recv(20), b"abstract")

    def test_path_left_by_a_killed_server_is_replaced(self):
        with self.start() as server:
            server.process.kill()
            server.process.wait()
        self.assertTrue(os.path.exists(self.path))
        with self.start() as server, self.connect(server) as client:
            client.sendall(b"again")
            self.assertEqual(client.recv(20), b"again")

    def test_path_of_a_living_server_is_not(self):
        with self.start() as first:
            status, _, errors = run("unix_echo_server", "--path", self.path, "--backend", self.backend)
            self.assertEqual(status, 1)
            self.assertIn(f"bind unix:{self.path}: Address already in use", errors)
            with self.connect(first) as client:
                client.sendall(b"alive")
                self.assertEqual(client.recv(20), b"alive")

    def test_client_and_server_together(self):
        data = noise(1_000_000)
        with self.start():
            status, output, errors = run("echo_client", "unix", "--path", self.path, stdin=data)
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(output == data)


@on_both_backends
class UdpEchoServer:
    def start(self):
        return Server("udp_echo_server", backend=self.backend)

    def test_datagrams_come_back_whole(self):
        with self.start() as server, server.datagrams() as client:
            for size in (1, 2, 1000, 1472, 9000, 65507):
                client.send(noise(size))
                self.assertEqual(client.recv(70000), noise(size))

    def test_empty_datagram_is_a_datagram(self):
        with self.start() as server, server.datagrams() as client:
            client.send(b"")
            self.assertEqual(client.recv(10), b"")
            client.send(b"and on it goes")
            self.assertEqual(client.recv(100), b"and on it goes")
            self.assertIn("served 2 datagrams, received 14 bytes, sent 14 bytes", server.stop())

    def test_each_sender_gets_its_own(self):
        with self.start() as server:
            clients = [server.datagrams() for _ in range(50)]
            for number, client in enumerate(clients):
                client.send(b"from %d" % number)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(100), b"from %d" % number)
                client.close()

    def test_sender_that_is_gone_harms_nobody(self):
        with self.start() as server, server.datagrams() as witness:
            for _ in range(20):
                with server.datagrams() as passer_by:
                    passer_by.send(b"hello and goodbye")
            witness.send(b"still there?")
            self.assertEqual(witness.recv(100), b"still there?")


class DatagramEcho(socketserver.BaseRequestHandler):
    def handle(self):
        data, connection = self.request
        connection.sendto(data, self.client_address)


@on_both_backends
class EchoClient:
    def run_client(self, server, *arguments, stdin=b""):
        return run("echo_client", "tcp", *server.arguments, "--backend", self.backend, *arguments, stdin=stdin)

    def test_piped_input(self):
        with SmallServer(echo_everything) as server:
            status, output, errors = self.run_client(server, stdin=b"one\ntwo\nthree")
            self.assertEqual((status, output, errors), (0, b"one\ntwo\nthree", ""))

    def test_input_longer_than_all_buffers(self):
        data = noise(MUCH)
        with SmallServer(echo_everything) as server:
            status, output, errors = self.run_client(server, stdin=data)
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(output == data)

    def test_input_and_output_that_are_files(self):
        data = noise(200_000)
        with SmallServer(echo_everything) as server, tempfile.TemporaryFile() as source:
            source.write(data)
            source.seek(0)
            with Program("echo_client", "tcp", *server.arguments, "--backend", self.backend, stdin=source) as client:
                self.assertTrue(client.finish() == data)
                self.assertEqual(client.status, 0)

    def test_no_input_at_all(self):
        with SmallServer(echo_everything) as server:
            self.assertEqual(self.run_client(server), (0, b"", ""))

    def test_conversation_line_by_line(self):
        with SmallServer(echo_everything) as server:
            with Program("echo_client", "tcp", *server.arguments, "--backend", self.backend) as client:
                for line in (b"hello\n", b"\n", b"is anybody there?\n"):
                    client.write(line)
                    client.expect(line.replace(b"?", rb"\?"))
                client.close_input()
                client.finish()
                self.assertEqual(client.status, 0)

    def test_answer_that_comes_after_the_end_of_the_input(self):
        def answer_late(connection):
            connection.sendall(receive_all(connection))

        with SmallServer(answer_late) as server:
            self.assertEqual(self.run_client(server, stdin=b"patience"), (0, b"patience", ""))

    def test_server_that_closes_too_early(self):
        with SmallServer(lambda connection: connection.sendall(connection.recv(3))) as server:
            with Program("echo_client", "tcp", *server.arguments, "--backend", self.backend) as client:
                client.write(b"abcdef")
                output = b"" if client.process.poll() is not None else client.process.stdout.read(3)
                client.process.wait(120)
                self.assertEqual(client.status, 1)
                self.assertIn(output, (b"abc", b""))
                self.assertRegex(client.errors(), "error: (the server has closed the connection|recv|send)")

    def test_nobody_listens(self):
        port = str(free_port())
        status, _, errors = run("echo_client", "tcp", "--port", port, "--backend", self.backend)
        self.assertEqual(status, 1)
        self.assertRegex(errors, f"error: .*127.0.0.1:{port}.*Connection refused")

    def test_name_of_a_host(self):
        with SmallServer(echo_everything) as server:
            port = str(server.address[1])
            status, output, _ = run("echo_client", "tcp", "--host", "localhost", "--port", port, stdin=b"by name")
            self.assertEqual((status, output), (0, b"by name"))

    def test_interrupted(self):
        with SmallServer(echo_everything) as server:
            with Program("echo_client", "tcp", *server.arguments, "--backend", self.backend) as client:
                client.write(b"hello")
                client.expect(b"hello")
                client.interrupt()
                client.process.wait(120)
                self.assertEqual(client.status, 0)

    def test_datagrams(self):
        with socketserver.ThreadingUDPServer(("127.0.0.1", 0), DatagramEcho) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            port = str(server.server_address[1])
            text = b"first\n\nthird, after an empty one\nwithout an end"
            status, output, errors = run("echo_client", "udp", "--port", port, "--backend", self.backend, stdin=text)
            self.assertEqual((status, output, errors), (0, text + b"\n", ""))
            server.shutdown()

    def test_line_that_fits_no_datagram(self):
        with Server("udp_echo_server", backend=self.backend) as server:
            text = b"x" * 65508 + b"\nfits\n"
            status, output, errors = run("echo_client", "udp", *server.arguments, stdin=text)
            self.assertEqual((status, output), (1, b"fits\n"))
            self.assertIn("a line of 65508 bytes does not fit a datagram; 65507 do", errors)

    def test_datagrams_that_nobody_answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = str(silent.getsockname()[1])
            status, _, errors = run("echo_client", "udp", "--port", port, "--backend", self.backend, stdin=b"hello\n")
            self.assertEqual(status, 1)
            self.assertIn("error: no answer within 2 seconds", errors)

    def test_datagrams_to_nobody(self):
        port = str(free_port())
        status, _, errors = run("echo_client", "udp", "--port", port, "--backend", self.backend, stdin=b"hello\n")
        self.assertEqual(status, 1)
        self.assertIn("Connection refused", errors)


if __name__ == "__main__":
    unittest.main()
