"""The time servers against plain sockets, and their clients against plain Python servers."""

import datetime
import re
import socket
import socketserver
import threading
import unittest

from support import CTIME, Program, Server, SmallServer, free_port, noise, on_both_backends, receive_all, reset, run


def is_now(match):
    """Whether the time that was told is that of this day, give or take one: that it is a time at all."""
    told = datetime.datetime.strptime(match[1].decode(), "%a %b %d %H:%M:%S %Y")
    return abs(told - datetime.datetime.now()) < datetime.timedelta(days=1)


@on_both_backends
class TcpTimeServer:
    def start(self):
        return Server("tcp_time_server", backend=self.backend)

    def ask(self, client, question):
        client.sendall(question)
        answer = client.recv(1000)
        match = re.fullmatch(CTIME + rb" Oh\?", answer)
        self.assertTrue(match, answer)
        self.assertTrue(is_now(match), answer)

    def test_each_chunk_is_answered(self):
        with self.start() as server, server.connect() as client:
            for question in (b"What time is it?", b"\n", bytes(range(256)), b"x"):
                self.ask(client, question)

    def test_many_clients_at_once(self):
        with self.start() as server:
            clients = [server.connect() for _ in range(100)]
            for client in reversed(clients):
                self.ask(client, b"me too")
            for client in clients:
                self.ask(client, b"and again")
                client.close()

    def test_half_closed_client_gets_its_answer(self):
        with self.start() as server, server.connect() as client:
            client.sendall(b"last words")
            client.shutdown(socket.SHUT_WR)
            self.assertRegex(receive_all(client), rb"^(?s:.)*Oh\?$")

    def test_clients_that_vanish_harm_nobody(self):
        with self.start() as server, server.connect() as witness:
            for _ in range(30):
                victim = server.connect()
                victim.sendall(noise(100_000))
                reset(victim)
            self.ask(witness, b"still there?")


class AnswerChunks(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1000):
            self.request.sendall(b"[then] " + data.strip())


class AnswerLines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"[then] " + line.strip())


class AnswerOneLine(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.served += 1
        self.wfile.write(b"[then] " + self.rfile.readline())


class AnswerDatagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, connection = self.request
        self.server.datagrams.append(data)
        connection.sendto(b"[then] " + data, self.client_address)


class PythonServer:
    """A server of Python's socketserver on a thread."""

    def __init__(self, kind, handler):
        self.server = kind(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.served = 0
        self.server.datagrams = []
        self.arguments = ("--port", str(self.server.server_address[1]))

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@on_both_backends
class TcpTimeClient:
    name = "tcp_time_client"

    def start(self, server):
        return Program(self.name, *server.arguments, "--backend", self.backend)

    def test_prompt_answer_and_an_empty_line_at_the_end(self):
        for handler in (AnswerChunks, AnswerLines):
            with self.subTest(handler=handler.__name__):
                with PythonServer(socketserver.ThreadingTCPServer, handler) as server, self.start(server) as client:
                    client.expect(rb"\A> ")
                    client.write(b"hello there\n")
                    client.expect(rb"\A\[then\] hello there\n> ")
                    client.write(b"more\n")
                    client.expect(rb"\A\[then\] more\n> ")
                    client.write(b"\n")
                    client.process.wait(120)
                    self.assertEqual((client.status, client.errors()), (0, ""))

    def test_end_of_the_input(self):
        with PythonServer(socketserver.ThreadingTCPServer, AnswerLines) as server:
            status, output, errors = run(self.name, *server.arguments, "--backend", self.backend, stdin=b"one\ntwo")
            self.assertEqual((status, output, errors), (0, b"> [then] one\n> [then] two\n> ", ""))

    def test_server_that_vanishes(self):
        with SmallServer(lambda connection: connection.recv(100)) as server, self.start(server) as client:
            client.expect(b"> ")
            client.write(b"hello?\n")
            client.process.wait(120)
            self.assertEqual(client.status, 1)
            self.assertIn("error: the server has closed the connection", client.errors())

    def test_nobody_listens(self):
        status, _, errors = run(self.name, "--port", str(free_port()), "--backend", self.backend, stdin=b"hello\n")
        self.assertEqual(status, 1)
        self.assertIn("Connection refused", errors)

    def test_against_the_real_server(self):
        with Server("tcp_time_server", backend=self.backend) as server, self.start(server) as client:
            client.expect(b"> ")
            client.write(b"now?\n")
            client.expect(rb"\A" + CTIME + rb" Oh\?\n> ")

    def test_interrupted(self):
        with PythonServer(socketserver.ThreadingTCPServer, AnswerLines) as server, self.start(server) as client:
            client.expect(b"> ")
            client.interrupt()
            client.process.wait(120)
            self.assertEqual(client.status, 0)


@on_both_backends
class UdpTimeServer:
    def start(self, *arguments):
        return Server("udp_time_server", *arguments, backend=self.backend)

    def ask(self, client, question):
        client.send(question)
        answer = client.recv(70000)
        match = re.match(CTIME + b" ", answer)
        self.assertTrue(match, answer)
        self.assertTrue(is_now(match), answer)
        return answer[match.end() :]

    def test_each_datagram_is_answered_with_itself(self):
        with self.start() as server, server.datagrams() as client:
            for question in (b"hello", b"two words", bytes(range(256)), b"  ", b" \n", b"x" * 60000):
                self.assertEqual(self.ask(client, question), question)

    def test_empty_datagram(self):
        with self.start() as server, server.datagrams() as client:
            self.assertEqual(self.ask(client, b""), b"")

    def test_longest_datagram_that_leaves_room_for_the_time(self):
        with self.start() as server, server.datagrams() as client:
            self.assertEqual(self.ask(client, b"x" * 65480), b"x" * 65480)
            self.assertEqual(self.ask(client, b"x" * 65481), b"(too long: 65480 bytes at the most)")
            self.assertEqual(self.ask(client, b"x" * 65507), b"(too long: 65480 bytes at the most)")

    def test_single_space_stops_it(self):
        with self.start() as server, server.datagrams() as client:
            self.assertEqual(self.ask(client, b"hello"), b"hello")
            client.send(b" ")
            server.finish()
            self.assertEqual(server.status, 0)

    def test_single_space_is_a_datagram_like_others_where_strangers_can_send_one(self):
        with self.start("--host", "0.0.0.0") as server, server.datagrams() as client:
            self.assertEqual(self.ask(client, b" "), b" ")

    def test_strangers_may_stop_it_when_that_is_wanted(self):
        with self.start("--host", "0.0.0.0", "--stop-on-space") as server, server.datagrams() as client:
            client.send(b" ")
            server.finish()
            self.assertEqual(server.status, 0)


@on_both_backends
class UdpTimeClient:
    def start(self, server):
        return Program("udp_time_client", *server.arguments, "--backend", self.backend)

    def test_prompt_and_answer(self):
        with PythonServer(socketserver.UDPServer, AnswerDatagram) as server, self.start(server) as client:
            for line in (b"hello", b"", b"  "):
                client.expect(rb"\A> ")
                client.write(line + b"\n")
                client.expect(rb"\A\[then\] " + line + b"\n")
            client.close_input()
            client.process.wait(120)
            self.assertEqual((client.status, client.errors()), (0, ""))
            self.assertEqual(server.server.datagrams, [b"hello", b"", b"  "])

    def test_single_space_ends_both(self):
        with Server("udp_time_server", backend=self.backend) as server, self.start(server) as client:
            client.expect(b"> ")
            client.write(b"hello\n")
            client.expect(rb"\A" + CTIME + b" hello\n> ")
            client.write(b" \n")
            client.process.wait(120)
            server.finish()
            self.assertEqual((client.status, client.errors(), server.status), (0, "", 0))

    def test_nobody_listens(self):
        arguments = ("--port", str(free_port()), "--backend", self.backend)
        status, _, errors = run("udp_time_client", *arguments, stdin=b"hello\n")
        self.assertEqual(status, 1)
        self.assertIn("Connection refused", errors)


@on_both_backends
class LineTimeServer:
    def start(self):
        return Server("line_time_server", backend=self.backend)

    def ask(self, server, *pieces, then_finish=False):
        with server.connect() as client:
            for piece in pieces:
                client.sendall(piece)
            if then_finish:
                client.shutdown(socket.SHUT_WR)
            return receive_all(client)

    def assert_told(self, answer, text):
        match = re.match(CTIME + b" ", answer)
        self.assertTrue(match, answer)
        self.assertTrue(is_now(match), answer)
        self.assertEqual(answer[match.end() :], text + b"\n")

    def test_one_line_is_answered_and_the_connection_closed(self):
        with self.start() as server:
            self.assert_told(self.ask(server, b"hello\n"), b"hello")
            self.assert_told(self.ask(server, b"hello\r\n"), b"hello")
            self.assert_told(self.ask(server, b"\n"), b"")

    def test_line_in_pieces(self):
        with self.start() as server:
            self.assert_told(self.ask(server, b"he", b"l", b"lo", b"\n"), b"hello")

    def test_only_the_first_line(self):
        with self.start() as server:
            self.assert_told(self.ask(server, b"one\ntwo\nthree\n"), b"one")

    def test_line_without_an_end(self):
        with self.start() as server:
            self.assert_told(self.ask(server, b"cut", then_finish=True), b"cut")

    def test_no_line_at_all(self):
        with self.start() as server:
            self.assertEqual(self.ask(server, then_finish=True), b"")

    def test_binary_line(self):
        line = bytes(byte for byte in range(256) if byte not in b"\r\n")
        with self.start() as server:
            self.assert_told(self.ask(server, line + b"\n"), line)

    def test_line_that_is_too_long(self):
        with self.start() as server:
            self.assert_told(self.ask(server, b"x" * 4096 + b"\n"), b"x" * 4096)
            self.assert_told(self.ask(server, b"x" * 4200 + b"\n"), b"(too long: 4096 bytes at the most)")
            self.assert_told(self.ask(server, b"x" * 200_000), b"(too long: 4096 bytes at the most)")


@on_both_backends
class LineTimeClient(TcpTimeClient):
    name = "line_time_client"

    def test_prompt_answer_and_an_empty_line_at_the_end(self):
        with PythonServer(socketserver.ThreadingTCPServer, AnswerOneLine) as server, self.start(server) as client:
            for number in range(3):
                client.expect(rb"\A> ")
                client.write(b"line %d\n" % number)
                client.expect(rb"\A\[then\] line %d\n" % number)
            client.write(b"\n")
            client.process.wait(120)
            self.assertEqual((client.status, client.errors()), (0, ""))
            self.assertEqual(server.server.served, 3, "a connection for every line")

    def test_end_of_the_input(self):
        with PythonServer(socketserver.ThreadingTCPServer, AnswerOneLine) as server:
            status, output, errors = run(self.name, *server.arguments, "--backend", self.backend, stdin=b"one\ntwo")
            self.assertEqual((status, output, errors), (0, b"> [then] one\n> [then] two\n> ", ""))

    def test_against_the_real_server(self):
        with Server("line_time_server", backend=self.backend) as server, self.start(server) as client:
            client.expect(b"> ")
            client.write(b"now?\n")
            client.expect(rb"\A" + CTIME + rb" now\?\n> ")

    def test_interrupted(self):
        with PythonServer(socketserver.ThreadingTCPServer, AnswerOneLine) as server, self.start(server) as client:
            client.expect(b"> ")
            client.interrupt()
            client.process.wait(120)
            self.assertEqual(client.status, 0)


if __name__ == "__main__":
    unittest.main()
