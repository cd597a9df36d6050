"""Command lines: help, mistakes, ports in use, Ctrl-C, and the choice of the backend."""

import socket
import tempfile
import unittest
from pathlib import Path

from support import APPS, BACKENDS, BUILD, Program, Server, on_both_backends, run, why_unavailable

IP_SERVERS = (
    "tcp_echo_server",
    "udp_echo_server",
    "tcp_time_server",
    "udp_time_server",
    "line_time_server",
    "chat_server",
)
CLIENTS = {
    "echo_client": ("tcp",),
    "tcp_time_client": (),
    "udp_time_client": (),
    "line_time_client": (),
    "loadgen": ("tcp",),
}
OTHERS = {"unix_echo_server": (), "tcp_proxy": ("0", "127.0.0.1:1"), "three_models": ()}
EVERYTHING = {**dict.fromkeys(IP_SERVERS, ()), **CLIENTS, **OTHERS}  # name -> what must be written

DENY_IO_URING = BUILD / "tests" / "apps" / "deny_io_uring"


class Flags(unittest.TestCase):
    def assert_refused(self, name, *arguments, because):
        """Exit status 2, nothing done, and a message that says what to write."""
        status, output, errors = run(name, *arguments)
        self.assertEqual((status, output), (2, b""), errors)
        self.assertRegex(errors, because)
        self.assertIn("--help", errors)
        self.assertEqual(len(errors.splitlines()), 1, errors)

    def test_help(self):
        for name, needed in EVERYTHING.items():
            for flag in ("--help", "-h"):
                with self.subTest(name=name, flag=flag):
                    status, output, errors = run(name, flag)
                    self.assertEqual((status, errors), (0, ""))
                    self.assertIn(b"--backend", output)
                    for word in (b"--host", b"--port"):
                        self.assertEqual(word in output, name in IP_SERVERS or name in CLIENTS)
                    self.assertEqual(b"21111" in output, name in IP_SERVERS or name in CLIENTS)

    def test_unknown_flags_and_words(self):
        for name, needed in EVERYTHING.items():
            with self.subTest(name=name):
                self.assert_refused(name, *needed, "--nonsense", because="'--nonsense' is not known here")
                self.assert_refused(name, "--nonsense", because="'--nonsense' is not known here")
                self.assert_refused(name, *needed, "superfluous", because="'superfluous' is not known here")

    def test_backends(self):
        for name, needed in EVERYTHING.items():
            with self.subTest(name=name):
                text = "--backend: 'kqueue' is not a backend; write auto, io_uring or epoll"
                self.assert_refused(name, *needed, "--backend", "kqueue", because=text)
                self.assert_refused(name, *needed, "--backend", because="--backend: the value is missing; write auto")

    def test_ports(self):
        for name in (*IP_SERVERS, *CLIENTS):
            needed = EVERYTHING[name]
            least = 1 if name in CLIENTS else 0
            for value in ("70000", "65536", "http", "", "8 0", "1e3", "0x50", "99999999999999999999"):
                with self.subTest(name=name, value=value):
                    text = f"--port: '{value}' is not a port; write a number from {least} to 65535"
                    self.assert_refused(name, *needed, "--port", value, because=text)
            self.assert_refused(name, *needed, "--port=-1", because="--port: '-1' is not a port; write a number")
        self.assert_refused("tcp_time_client", "--port", "0", because="'0' is not a port; write a number from 1")

    def test_addresses_to_listen_on(self):
        for name in IP_SERVERS:
            for value in ("localhost", "127.0.0", "127.0.0.1:80", "300.1.1.1", ""):
                with self.subTest(name=name, value=value):
                    text = f"--host: '{value}' is not an IP address; write one such as 127.0.0.1 or ::1"
                    self.assert_refused(name, "--host", value, because=text)

    def test_address_that_is_not_ours(self):
        # From a block that is reserved for documentation (RFC 5737).
        status, _, errors = run("tcp_echo_server", "--host", "192.0.2.1", "--port", "0")
        self.assertEqual(status, 1)
        self.assertIn("bind 192.0.2.1:0: Cannot assign requested address", errors)

    def test_places_of_the_proxy(self):
        text = "write a number from 0 to 65535"
        self.assert_refused("tcp_proxy", "70000", "127.0.0.1:80", because=f"LISTEN: '70000' is not a port; {text}")
        self.assert_refused("tcp_proxy", "somewhere:80", "a:80", because="LISTEN: 'somewhere' is not an IP address")
        self.assert_refused("tcp_proxy", "0", "example.org:", because="TARGET: '' is not a port; write a number from 1")
        self.assert_refused("tcp_proxy", "0", "::1:80", because=r"TARGET: '::1:80' is not a place; write HOST:PORT")
        self.assert_refused("tcp_proxy", "0", because="TARGET is missing; write")
        self.assert_refused("tcp_proxy", because="LISTEN is missing; write")

    def test_protocols(self):
        self.assert_refused("echo_client", because="PROTOCOL is missing; write one of tcp, udp, unix")
        self.assert_refused("echo_client", "sctp", because="PROTOCOL: 'sctp' is not known; write one of tcp, udp, unix")
        self.assert_refused("loadgen", "unix", because="PROTOCOL: 'unix' is not known; write one of tcp, udp")

    def test_unix_paths(self):
        for value in ("", "@", "x" * 108, "@" + "x" * 108):
            with self.subTest(value=value):
                text = "--path: '.*' is not a place for a socket; write a path"
                self.assert_refused("unix_echo_server", "--path", value, because=text)

    def test_numbers_and_times_of_the_load_generator(self):
        self.assert_refused("loadgen", "tcp", "--connections", "0", because="'0' does not fit; write a number from 1")
        self.assert_refused("loadgen", "tcp", "--depth", "many", because="--depth: 'many' does not fit; write a number")
        self.assert_refused("loadgen", "udp", "--size", "7", because="write a number from 8 to 65507")
        for value in ("2", "s", "2h", "-2s", "1.5s", "99999999999999999999s"):
            with self.subTest(value=value):
                text = "--duration: '.*' is not a time; write one such as 2s, 500ms or 1m"
                self.assert_refused("loadgen", "tcp", f"--duration={value}", because=text)

    def test_more_connections_than_descriptors(self):
        with Program("loadgen", "tcp", "--connections", "100", wrapper=("prlimit", "--nofile=100:100")) as program:
            program.finish()
            self.assertEqual(program.status, 2)
            self.assertIn("'100' needs as many descriptors, and 100 are allowed here (ulimit -Hn); write less", program.errors())


@on_both_backends
class Running:
    def test_default_address_is_this_machine_only(self):
        for name in IP_SERVERS:
            with self.subTest(name=name), Server(name, backend=self.backend) as server:
                self.assertEqual(server.address[0], "127.0.0.1")

    def test_every_address_when_asked_for(self):
        with Server("tcp_echo_server", "--host", "0.0.0.0", backend=self.backend) as server:
            self.assertEqual(server.address[0], "0.0.0.0")
            with socket.create_connection(("127.0.0.1", server.address[1]), timeout=60) as client:
                client.sendall(b"hello")
                self.assertEqual(client.recv(10), b"hello")

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            for name in (*IP_SERVERS, "tcp_proxy"):
                port = (udp if name.startswith("udp") else tcp).getsockname()[1]
                arguments = (str(port), "127.0.0.1:1") if name == "tcp_proxy" else ("--port", str(port))
                with self.subTest(name=name):
                    status, output, errors = run(name, *arguments, "--backend", self.backend)
                    self.assertEqual((status, output), (1, b""))
                    self.assertIn(f"error: bind 127.0.0.1:{port}: Address already in use; end what listens", errors)

    def test_control_c_ends_every_server_well(self):
        with tempfile.TemporaryDirectory() as directory:
            servers = {
                **dict.fromkeys(IP_SERVERS, ()),
                "unix_echo_server": ("--path", str(Path(directory) / "echo")),
                "tcp_proxy": ("0", "127.0.0.1:1"),
            }
            for name, arguments in servers.items():
                with self.subTest(name=name), Server(name, *arguments, backend=self.backend) as server:
                    server.stop()
                    self.assertEqual(server.errors(), "")

    def test_control_c_ends_idle_connections_too(self):
        for name in ("tcp_echo_server", "tcp_time_server", "line_time_server"):
            with self.subTest(name=name), Server(name, backend=self.backend) as server, server.connect() as idle:
                server.interrupt()
                self.assertEqual(idle.recv(10), b"")
                idle.close()
                server.finish()
                self.assertEqual((server.status, server.errors()), (0, ""))

    def test_server_at_its_limit_of_descriptors(self):
        wrapper = ("prlimit", "--nofile=64:64")
        with Server("tcp_echo_server", backend=self.backend, wrapper=wrapper) as server:
            clients = [server.connect() for _ in range(100)]  # most wait in the backlog
            for number, client in enumerate(clients):
                client.sendall(b"%03d" % number)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(10), b"%03d" % number)
                client.close()
            self.assertIn("note: only 64 descriptors are allowed here (ulimit -Hn)", server.errors())
            self.assertIn("served 100 connections", server.stop())


class Backend(unittest.TestCase):
    def test_variable_chooses_when_no_flag_does(self):
        for backend in BACKENDS:
            if reason := why_unavailable(backend):
                print(f"not tried: {reason}")
                continue
            environment = {"SENNIT_BACKEND": backend}
            with Server("tcp_echo_server", backend="auto", environment=environment) as server:
                self.assertEqual(server.backend, backend)
            with Server("tcp_echo_server", backend="epoll", environment=environment) as server:
                self.assertEqual(server.backend, "epoll", "the flag wins")

    def test_variable_that_makes_no_sense(self):
        status, _, errors = run("tcp_echo_server", "--port", "0", environment={"SENNIT_BACKEND": "kqueue"})
        self.assertEqual(status, 1)
        self.assertIn('SENNIT_BACKEND is "kqueue"; it may be auto, io_uring or epoll', errors)

    def test_where_io_uring_is_forbidden_echo_runs_on_epoll_and_says_why(self):
        how = {"wrapper": [DENY_IO_URING], "environment": {"SENNIT_BACKEND": "auto"}}
        with Server("tcp_echo_server", "--verbose", backend="auto", **how) as server:
            self.assertEqual(server.backend, "epoll")
            server.expect(rb"\Abackend: epoll: (io_uring_setup EPERM .*|built without liburing)\n")
            with server.connect() as client:
                client.sendall(b"hello from a container")
                self.assertEqual(client.recv(100), b"hello from a container")
            server.stop()

    def test_where_io_uring_is_forbidden_asking_for_it_is_an_error(self):
        arguments = (str(APPS / "tcp_echo_server"), "--port", "0", "--backend", "io_uring")
        with Program(DENY_IO_URING, *arguments) as server:
            self.assertEqual(server.finish(), b"")
            self.assertEqual(server.status, 1)
            self.assertIn("io_uring was requested by the program and cannot be used", server.errors())


if __name__ == "__main__":
    unittest.main()
