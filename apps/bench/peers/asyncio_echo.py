"""Echo and proxy on asyncio, with protocols (faster than its streams); with --uvloop on uvloop. See peer.h."""

import argparse
import asyncio
import socket

HOST = "127.0.0.1"


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Side(asyncio.Protocol):
    """One side of a proxied connection: what it receives goes to `other`, and it pauses when that is too slow."""

    other = None
    transport = None

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=64 * 1024)

    def data_received(self, data):
        self.other.transport.write(data)

    def eof_received(self):
        self.other.transport.write_eof()
        return True  # the other direction goes on

    def connection_lost(self, error):
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self):
        self.other.transport.pause_reading()

    def resume_writing(self):
        self.other.transport.resume_reading()


class Outer(Side):
    """The side of the client, which makes the connection to the server."""

    def __init__(self, loop, upstream):
        self.loop = loop
        self.upstream = upstream

        self.early = []  # what arrives before that connection stands

    def connection_made(self, transport):
        super().connection_made(transport)
        self.connecting = self.loop.create_task(self.connect())

    def data_received(self, data):
        if self.other is not None:
            self.other.transport.write(data)
            return
        self.early.append(data)
        self.transport.pause_reading()

    async def connect(self):
        _, other = await self.loop.create_connection(Side, HOST, self.upstream)
        other.other = self
        self.other = other
        other.transport.writelines(self.early)
        self.transport.resume_reading()


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


async def serve(options):
    loop = asyncio.get_running_loop()
    if options.mode == "udp":
        transport, _ = await loop.create_datagram_endpoint(DatagramEcho, local_addr=(HOST, options.port))
        bound = transport.get_extra_info("sockname")
    else:
        factory = Echo if options.mode == "tcp" else lambda: Outer(loop, options.upstream)
        listener = socket.create_server((HOST, options.port), backlog=4096)
        bound = listener.getsockname()
        transport = await loop.create_server(factory, sock=listener, backlog=4096)
    print(f"listening {bound[1]} {type(loop).__module__}", flush=True)
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("tcp", "udp", "proxy"))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int)
    parser.add_argument("--upstream", type=int)
    parser.add_argument("--uvloop", action="store_true")
    options = parser.parse_args()
    if options.uvloop:
        import uvloop

        uvloop.install()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
