// Echo and proxy with Asio's callbacks on epoll: what Asio costs without coroutines.

#include <asio.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "peer.hpp"

namespace {

using asio::ip::tcp;
using asio::ip::udp;
using executor = asio::io_context::executor_type;
using stream = asio::basic_stream_socket<tcp, executor>;
using acceptor = asio::basic_socket_acceptor<tcp, executor>;
using datagram_socket = asio::basic_datagram_socket<udp, executor>;

class echo : public std::enable_shared_from_this<echo> {
  public:
    explicit echo(stream peer) : peer_(std::move(peer)) {}

    void read() {
        peer_.async_read_some(asio::buffer(buffer_.get(), echo_buffer_size),
                              [self = shared_from_this()](asio::error_code error, std::size_t length) {
                                  if (!error) self->write(length);
                              });
    }

  private:
    void write(std::size_t length) {
        asio::async_write(peer_, asio::buffer(buffer_.get(), length),
                          [self = shared_from_this()](asio::error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    stream peer_;
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(echo_buffer_size);
};

void serve_tcp(acceptor& listener) {
    listener.async_accept([&listener](asio::error_code error, stream peer) {
        if (error) throw std::system_error(error, "accept");
        std::make_shared<echo>(std::move(peer))->read();
        serve_tcp(listener);
    });
}

struct connected {
    explicit connected(stream peer) : client(std::move(peer)), server(client.get_executor()) {}
    stream client;
    stream server;
};

class pump : public std::enable_shared_from_this<pump> {
  public:
    pump(std::shared_ptr<connected> both, stream& from, stream& to) : both_(std::move(both)), from_(from), to_(to) {}

    void read() {
        from_.async_read_some(asio::buffer(buffer_.get(), proxy_buffer_size),
                              [self = shared_from_this()](asio::error_code error, std::size_t length) {
                                  error ? self->finish() : self->write(length);
                              });
    }

  private:
    void write(std::size_t length) {
        asio::async_write(to_, asio::buffer(buffer_.get(), length),
                          [self = shared_from_this()](asio::error_code error, std::size_t) {
                              error ? self->finish() : self->read();
                          });
    }
    void finish() {
        asio::error_code ignored;
        to_.shutdown(stream::shutdown_send, ignored);
    }

    std::shared_ptr<connected> both_;
    stream& from_;
    stream& to_;
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(proxy_buffer_size);
};

void serve_proxy(acceptor& listener, const tcp::endpoint& upstream) {
    listener.async_accept([&listener, upstream](asio::error_code accept_error, stream peer) {
        if (accept_error) throw std::system_error(accept_error, "accept");
        const auto both = std::make_shared<connected>(std::move(peer));
        both->server.async_connect(upstream, [both](asio::error_code error) {
            if (error) throw std::system_error(error, "connect");
            both->server.set_option(tcp::no_delay(true));
            std::make_shared<pump>(both, both->client, both->server)->read();
            std::make_shared<pump>(both, both->server, both->client)->read();
        });
        serve_proxy(listener, upstream);
    });
}

class udp_echo {
  public:
    explicit udp_echo(datagram_socket& socket) : socket_(socket) {}

    void receive() {
        socket_.async_receive_from(asio::buffer(buffer_.get(), echo_buffer_size), client_,
                                   [this](asio::error_code error, std::size_t length) {
                                       if (error) throw std::system_error(error, "receive");
                                       send(length);
                                   });
    }

  private:
    void send(std::size_t length) {
        socket_.async_send_to(asio::buffer(buffer_.get(), length), client_,
                              [this](asio::error_code, std::size_t) { receive(); });
    }

    datagram_socket& socket_;
    udp::endpoint client_;
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(echo_buffer_size);
};

}  // namespace

int main(int argc, char** argv) try {
    const peer_options options = read_peer_options(argc, argv);
    const asio::ip::address here = asio::ip::address_v4::loopback();
    asio::io_context context(1);
    if (options.mode == "udp") {
        datagram_socket socket(context.get_executor(), udp::endpoint(here, options.port));
        udp_echo server(socket);
        announce(socket.local_endpoint().port(), "epoll");
        server.receive();
        context.run();
    } else {
        acceptor listener(context.get_executor(), tcp::endpoint(here, options.port));
        listener.set_option(tcp::no_delay(true));  // accepted sockets inherit it
        announce(listener.local_endpoint().port(), "epoll");
        if (options.mode == "proxy") {
            serve_proxy(listener, tcp::endpoint(here, options.upstream));
        } else {
            serve_tcp(listener);
        }
        context.run();
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
