"""The load generator: against the echo servers, and against servers that make mistakes."""

import json
import os
import pty
import re
import resource
import socket
import subprocess
import unittest

from support import (
    APPS,
    PATIENCE,
    Background,
    Program,
    Server,
    SmallServer,
    free_port,
    on_both_backends,
    receive_exactly,
    run,
)

PATIENT = ("--timeout", "100s")  # where a busy machine must not count as a failure


def load(protocol, place, *arguments, backend="epoll"):
    """Runs it with --json: (exit status, result)."""
    arguments = (protocol, *place, "--backend", backend, "--json", *arguments)
    status, output, errors = run("loadgen", *arguments)
    if errors:
        raise AssertionError(errors)
    return status, json.loads(output)


@on_both_backends
class LoadGenerator:
    def load(self, protocol, place, *arguments):
        return load(protocol, place, *arguments, backend=self.backend)

    def assert_all_came_back(self, status, result, messages=None):
        self.assertEqual(status, 0, result)
        self.assertTrue(result["good"], result)
        for trouble in ("lost", "mismatched", "late", "broken_connections", "not_connected"):
            self.assertEqual(result[trouble], 0, result)
        if messages is not None:
            self.assertEqual(result["messages"], messages)
        self.assertEqual(result["bytes"], result["messages"] * result["size"])
        latency = result["latency_us"]
        self.assertLessEqual(0, latency["p50"])
        self.assertLessEqual(latency["p50"], latency["p99"])
        self.assertLessEqual(latency["p99"], latency["p99.9"])
        self.assertLessEqual(latency["p99.9"], latency["longest"])

    def test_tcp(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            for arguments in (
                ("--connections", "1", "--size", "1", "--messages", "200"),
                ("--connections", "50", "--size", "64", "--messages", "40"),
                ("--connections", "20", "--size", "100", "--depth", "16", "--messages", "200"),
                ("--connections", "4", "--size", "50000", "--depth", "3", "--messages", "20"),
                ("--connections", "2", "--size", "5000000", "--depth", "2", "--messages", "5"),
                ("--connections", "3", "--size", "10", "--depth", "1000", "--messages", "100"),
            ):
                with self.subTest(arguments=arguments):
                    status, result = self.load("tcp", server.arguments, *arguments, *PATIENT)
                    self.assert_all_came_back(status, result, int(arguments[1]) * int(arguments[-1]))
            self.assertRegex(server.stop(), r"received (\d+) bytes, sent \1 bytes")

    def test_udp(self):
        with Server("udp_echo_server", backend=self.backend) as server:
            for arguments in (
                ("--connections", "1", "--size", "8", "--messages", "200"),
                ("--connections", "16", "--size", "64", "--messages", "40"),
                ("--connections", "2", "--size", "1000", "--depth", "8", "--messages", "100"),
                ("--connections", "1", "--size", "65507", "--messages", "20"),
            ):
                with self.subTest(arguments=arguments):
                    status, result = self.load("udp", server.arguments, *arguments, *PATIENT)
                    self.assert_all_came_back(status, result, int(arguments[1]) * int(arguments[-1]))

    def test_for_a_time(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            arguments = ("--connections", "8", "--duration", "300ms", "--warm-up", "50ms", *PATIENT)
            status, result = self.load("tcp", server.arguments, *arguments)
            self.assert_all_came_back(status, result)
            self.assertGreaterEqual(result["seconds"], 0.3)
            self.assertGreater(result["messages"], 0)
            self.assertAlmostEqual(result["messages_per_second"] * result["seconds"] / result["messages"], 1, 2)
            self.assertEqual((result["protocol"], result["backend"]), ("tcp", self.backend))

    def test_report_for_people(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            arguments = ("--messages", "10", "--backend", self.backend, *PATIENT)
            status, output, errors = run("loadgen", "tcp", *server.arguments, *arguments)
            self.assertEqual((status, errors), (0, ""))
            self.assertRegex(output.decode(), r"messages  640 in \d+\.\d\d s\nrate      \d+ messages/s, \d+\.\d\d MB/s")
            self.assertRegex(output.decode(), r"latency   p50 \d+ us, p99 \d+ us, p99\.9 \d+ us, longest \d+ us\n")
            self.assertIn(b"every byte came back as it was sent", output)

    def test_wrong_byte_is_noticed(self):
        def corrupt(connection):
            for number in range(10):
                data = bytearray(receive_exactly(connection, 100))
                if number == 7:
                    data[42] ^= 1
                connection.sendall(data)

        with SmallServer(corrupt) as server:
            arguments = ("--connections", "1", "--size", "100", "--messages", "10", *PATIENT)
            status, result = self.load("tcp", server.arguments, *arguments)
            self.assertEqual((status, result["mismatched"], result["good"]), (1, 1, False), result)

    def test_answers_of_another_connection_are_noticed(self):
        first = []

        def mix_up(connection):
            data = receive_exactly(connection, 64)
            first.append(data)
            while len(first) < 2:
                pass
            connection.sendall(first[0])
            connection.recv(1)

        with SmallServer(mix_up) as server:
            status, result = self.load("tcp", server.arguments, "--connections", "2", "--messages", "1", *PATIENT)
            self.assertEqual((status, result["mismatched"]), (1, 1), result)

    def test_more_than_was_sent_is_noticed(self):
        def exaggerate(connection):
            connection.sendall(receive_exactly(connection, 64) * 2)
            connection.recv(1)

        with SmallServer(exaggerate) as server:
            # Two messages, so that it still listens when the first has come back.
            status, result = self.load("tcp", server.arguments, "--connections", "1", "--messages", "2", *PATIENT)
            self.assertEqual((status, result["mismatched"]), (1, 1), result)

    def test_server_that_closes(self):
        with SmallServer(lambda connection: connection.sendall(receive_exactly(connection, 64))) as server:
            arguments = ("--connections", "5", "--messages", "10", *PATIENT)
            status, result = self.load("tcp", server.arguments, *arguments)
            self.assertEqual((status, result["broken_connections"], result["messages"]), (1, 5, 5), result)
            self.assertGreaterEqual(result["lost"], 1)

    def test_server_that_is_silent(self):
        with SmallServer(lambda connection: connection.recv(1 << 20) and connection.recv(1)) as server:
            arguments = ("--connections", "3", "--duration", "100ms", "--timeout", "2s")
            status, result = self.load("tcp", server.arguments, *arguments)
            self.assertEqual((status, result["lost"], result["messages"]), (1, 3, 0), result)

    def test_nobody_listens(self):
        place = ("--port", str(free_port()))
        status, result = self.load("tcp", place, "--connections", "3", "--messages", "1", *PATIENT)
        self.assertEqual((status, result["not_connected"]), (1, 3), result)
        self.assertIn("Connection refused", result["first_trouble"])

    def test_lost_datagrams_are_counted(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(PATIENCE)
            place = ("--port", str(server.getsockname()[1]))

            def drop_each_fourth():
                for number in range(12):
                    data, client = server.recvfrom(2000)
                    if number % 4 != 3:
                        server.sendto(data, client)

            dropping = Background(drop_each_fourth)
            arguments = ("--connections", "1", "--messages", "12", "--timeout", "1s")
            status, result = self.load("udp", place, *arguments)
            dropping.result()
            self.assertEqual((status, result["lost"], result["mismatched"]), (1, 3, 0), result)
            self.assertEqual(result["messages"], 9)

    def test_wrong_datagram_is_noticed(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(PATIENCE)
            place = ("--port", str(server.getsockname()[1]))

            def corrupt():
                data, client = server.recvfrom(2000)
                server.sendto(data[:-1] + bytes([data[-1] ^ 1]), client)  # wrong
                server.sendto(data[:-1], client)  # cut
                server.sendto(data + b"x", client)  # stretched
                server.sendto(data, client)

            corrupting = Background(corrupt)
            status, result = self.load("udp", place, "--connections", "1", "--messages", "1", *PATIENT)
            corrupting.result()
            self.assertEqual((status, result["mismatched"], result["messages"]), (1, 3, 1), result)

    def test_interrupted_it_reports_what_it_has(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            arguments = ("tcp", *server.arguments, "--duration", "60m", "--backend", self.backend, *PATIENT)
            with Program("loadgen", *arguments) as program, server.connect() as witness:
                witness.sendall(b"x")
                receive_exactly(witness, 1)
                at_rest = resource_usage(server.process.pid)
                while resource_usage(server.process.pid) < at_rest + 5:  # some load has gone through
                    self.assertIsNone(program.process.poll())
                program.interrupt()
                self.assertIn(b"every byte came back as it was sent", program.finish())
                self.assertEqual(program.status, 0)

    def test_progress_on_a_terminal(self):
        with Server("tcp_echo_server", backend=self.backend) as server:
            ours, theirs = pty.openpty()
            arguments = ("tcp", *server.arguments, "--duration", "200ms", "--backend", self.backend, *PATIENT)
            command = [str(APPS / "loadgen"), *arguments]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs) as program:
                os.close(theirs)
                watching = Background(read_terminal, ours)
                output, _ = program.communicate(timeout=PATIENCE)
            self.assertRegex(watching.result(), rb"\[#*\.*\] 64 connected, \d+ messages")
            self.assertNotIn(b"\x1b", output)

    def test_ten_thousand_connections(self):
        wanted, reserve = 10_000, 200  # the server keeps some descriptors for other things
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        connections = min(wanted, allowed - reserve)
        if connections < wanted:
            print(f"only {connections} connections: the hard limit of descriptors is {allowed}")
        with Server("tcp_echo_server", backend=self.backend) as server:
            arguments = ("--connections", str(connections), "--size", "64", "--messages", "3", *PATIENT)
            status, result = self.load("tcp", server.arguments, *arguments)
            self.assert_all_came_back(status, result, 3 * connections)
            size = connections * 3 * 64
            said = server.stop()
            self.assertEqual(said, f"served {connections} connections, received {size} bytes, sent {size} bytes\n")


def read_terminal(descriptor):
    """What is written to a terminal until nobody has its other side."""
    shown = b""
    while True:
        try:
            shown += os.read(descriptor, 65536)
        except OSError:  # this is how it ends
            os.close(descriptor)
            return shown


def resource_usage(process):
    """Processor time of a process so far, in clock ticks."""
    with open(f"/proc/{process}/stat") as stat:
        fields = re.sub(r".*\) ", "", stat.read()).split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    unittest.main()
