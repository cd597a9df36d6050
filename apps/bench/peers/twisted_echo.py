"""Echo and proxy on Twisted's epoll reactor. See peer.h."""

import argparse

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import protocol, reactor  # noqa: E402
from twisted.protocols import portforward  # noqa: E402

HOST = "127.0.0.1"


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data):
        self.transport.write(data)


class DatagramEcho(protocol.DatagramProtocol):
    def datagramReceived(self, data, sender):
        self.transport.write(data, sender)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("tcp", "udp", "proxy"))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int)
    parser.add_argument("--upstream", type=int)
    options = parser.parse_args()
    if options.mode == "udp":
        port = reactor.listenUDP(options.port, DatagramEcho(), interface=HOST)
    elif options.mode == "tcp":
        port = reactor.listenTCP(options.port, protocol.Factory.forProtocol(Echo), backlog=4096, interface=HOST)
    else:
        factory = portforward.ProxyFactory(HOST, options.upstream)
        factory.noisy = False
        port = reactor.listenTCP(options.port, factory, backlog=4096, interface=HOST)
    print(f"listening {port.getHost().port} epoll reactor", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
