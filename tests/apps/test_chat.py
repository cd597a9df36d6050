"""The chat server: what its clients see of each other."""

import socket
import unittest

from support import PATIENCE, Background, Server, noise, on_both_backends, reset


class Client:
    """One who chats: lines in both directions."""

    def __init__(self, server, receive_buffer=None):
        self.connection = socket.socket()
        self.connection.settimeout(PATIENCE)
        if receive_buffer:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.connection.connect(server.address)
        self.lines = self.connection.makefile("rb")

    def say(self, text):
        self.connection.sendall(text + b"\n")

    def hear(self):
        line = self.lines.readline()
        if not line.endswith(b"\n"):
            raise AssertionError(f"the server ended the connection: {line}")
        return line[:-1]

    def leave(self):
        self.lines.close()
        self.connection.close()


@on_both_backends
class ChatServer:
    def setUp(self):
        self.server = Server("chat_server", backend=self.backend)
        self.addCleanup(self.server.__exit__)

    def join(self, *names, **how):
        """Clients that have joined, have these names and have heard of each other."""
        clients = []
        for name in names:
            client = Client(self.server, **how)
            self.addCleanup(client.leave)
            self.assertRegex(client.hear(), rb"^\* welcome, guest\d+; /nick NAME, /who, /quit$")
            client.say(b"/nick " + name.encode())
            self.assertEqual(client.hear(), b"* you are now " + name.encode())
            for other in clients:
                self.assertRegex(other.hear(), rb"^\* guest\d+ has joined$")
                self.assertRegex(other.hear(), rb"^\* guest\d+ is now " + name.encode())
            clients.append(client)
        return clients

    def test_what_one_says_the_others_hear(self):
        ann, bob, cid = self.join("ann", "bob", "cid")
        ann.say(b"hello, all")
        bob.say("grüß Gott ☕".encode())
        self.assertEqual(bob.hear(), b"<ann> hello, all")
        self.assertEqual(cid.hear(), b"<ann> hello, all")
        self.assertEqual(cid.hear(), "<bob> grüß Gott ☕".encode())
        self.assertEqual(ann.hear(), "<bob> grüß Gott ☕".encode(), "one does not hear oneself")

    def test_leaving_is_noticed(self):
        ann, bob, cid, dan = self.join("ann", "bob", "cid", "dan")
        bob.say(b"/quit")
        self.assertEqual(bob.lines.read(), b"", "the server ends the connection")
        self.assertEqual(ann.hear(), b"* bob has left")
        cid.leave()
        self.assertEqual(ann.hear(), b"* cid has left")
        reset(dan.connection.dup())
        dan.lines.close()
        reset(dan.connection)
        self.assertEqual(ann.hear(), b"* dan has left")

    def test_names(self):
        ann, bob = self.join("ann", "bob")
        for wrong in (b"with space", b"x" * 21, b"\xff", "größe".encode(), b"semi;colon"):
            bob.say(b"/nick " + wrong)
            self.assertEqual(bob.hear(), b"* a name has 1 to 20 letters, digits, _ and -")
        bob.say(b"/nick ann")
        self.assertEqual(bob.hear(), b"* the name ann is taken")
        bob.say(b"/nick " + b"x" * 20)
        self.assertEqual(bob.hear(), b"* you are now " + b"x" * 20)
        self.assertEqual(ann.hear(), b"* bob is now " + b"x" * 20)
        ann.say(b"/nick bob")
        self.assertEqual(ann.hear(), b"* you are now bob", "a name that was given up is free")

    def test_names_that_guests_would_get(self):
        (ann,) = self.join("guest2")
        newcomer = Client(self.server)
        self.addCleanup(newcomer.leave)
        self.assertRegex(newcomer.hear(), rb"^\* welcome, guest3;")
        ann.say(b"/who")
        self.assertEqual(ann.hear(), b"* guest3 has joined")
        self.assertEqual(ann.hear(), b"* here: guest2, guest3")

    def test_unknown_command(self):
        ann, bob = self.join("ann", "bob")
        ann.say(b"/dance")
        self.assertEqual(ann.hear(), b"* the commands are /nick NAME, /who and /quit")
        ann.say(b"now to bob")
        self.assertEqual(bob.hear(), b"<ann> now to bob")

    def test_nothing_reaches_a_terminal_but_text(self):
        ann, bob = self.join("ann", "bob")
        ann.say(b"\x1b[2J\x07 \x00 \x7f \xc2\x9b \xff\xfe \xc0\xaf \xed\xa0\x80 \xe2\x80\xae tab\tstays")
        self.assertEqual(bob.hear(), b"<ann> ?[2J? ? ? ? ?? ?? ??? ? tab\tstays")
        for seed in range(20):
            junk = noise(900, seed).replace(b"\n", b"").replace(b"/", b"")
            ann.say(junk)
            heard = bob.hear().decode()  # it is UTF-8
            self.assertFalse([c for c in heard if ord(c) < 0x20 and c != "\t" or 0x7F <= ord(c) < 0xA0])

    def test_line_that_is_too_long(self):
        ann, bob = self.join("ann", "bob")
        ann.say(b"x" * 1000)
        self.assertEqual(bob.hear(), b"<ann> " + b"x" * 1000)
        for length in (1001, 5000, 300_000):
            ann.say(b"x" * length)
            self.assertEqual(ann.hear(), b"* that was longer than 1000 bytes and was not sent")
        ann.say(b"short again")
        self.assertEqual(bob.hear(), b"<ann> short again")

    def test_empty_lines_say_nothing(self):
        ann, bob = self.join("ann", "bob")
        ann.say(b"\n\r\n\n")
        ann.say(b"something")
        self.assertEqual(bob.hear(), b"<ann> something")

    def test_last_line_without_an_end(self):
        ann, bob = self.join("ann", "bob")
        ann.connection.sendall(b"cut")
        ann.connection.shutdown(socket.SHUT_WR)
        self.assertEqual(bob.hear(), b"<ann> cut")
        self.assertEqual(bob.hear(), b"* ann has left")
        self.assertEqual(ann.lines.read(), b"")

    def test_slow_reader_is_dropped_and_stalls_nobody(self):
        ann, bob = self.join("ann", "bob")
        slow = Client(self.server, receive_buffer=4096)
        slow.hear()
        slow.say(b"/nick slow")
        slow.hear()  # and never again
        for other in (ann, bob):
            other.hear()
            other.hear()

        def listen():
            """What bob hears up to the notice, all of it."""
            lines = []
            while not lines or lines[-1] != b"* slow was too slow and is out":
                lines.append(bob.hear())
            return lines

        listening = Background(listen)
        said = 0
        while listening.thread.is_alive():
            self.assertLess(said, 1_000_000, "the slow one is still there")
            ann.say(b"%09d " % said + b"x" * 900)
            said += 1
        heard = [line for line in listening.result() if line.startswith(b"<ann>")]
        self.assertEqual([int(line[6:15]) for line in heard], list(range(len(heard))), "the quick one missed something")
        self.assertEqual(ann.hear(), b"* slow was too slow and is out")
        with self.assertRaises((ConnectionResetError, AssertionError)):
            while True:
                slow.hear()
        slow.leave()

    def test_flood_of_short_lines_drops_nobody_who_reads(self):
        ann, bob, cid = self.join("ann", "bob", "cid")
        lines = 20_000
        flooding = Background(ann.connection.sendall, b"".join(b"%d\n" % number for number in range(lines)))
        others = [Background(lambda who: [who.hear() for _ in range(lines)], who) for who in (bob, cid)]
        for other in others:
            self.assertEqual(other.result(), [b"<ann> %d" % number for number in range(lines)])
        flooding.result()

    def test_end_of_the_server(self):
        ann, bob = self.join("ann", "bob")
        ann.say(b"goodbye")
        self.assertEqual(bob.hear(), b"<ann> goodbye")
        self.server.stop()
        for each in (ann, bob):
            self.assertRegex(each.lines.read(), rb"^(\* \w+ has left\n)?$")


if __name__ == "__main__":
    unittest.main()
