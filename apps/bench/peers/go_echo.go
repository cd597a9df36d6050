// Echo and proxy with Go's net package: a goroutine for each connection, on one thread at a time like all the peers.
// See peer.h.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
)

const echoBuffer = 16 * 1024

func echo(peer *net.TCPConn) {
	defer peer.Close()
	buffer := make([]byte, echoBuffer)
	for {
		length, err := peer.Read(buffer)
		if err != nil {
			return
		}
		if _, err := peer.Write(buffer[:length]); err != nil {
			return
		}
	}
}

// io.Copy between two TCP connections uses splice(2): nothing is copied to user space.
func pump(from, to *net.TCPConn, done chan<- struct{}) {
	io.Copy(to, from)
	to.CloseWrite()
	done <- struct{}{}
}

func proxy(upstream int) func(*net.TCPConn) {
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: upstream}
	return func(client *net.TCPConn) {
		defer client.Close()
		server, err := net.DialTCP("tcp4", nil, address)
		if err != nil {
			log.Fatal(err)
		}
		defer server.Close()
		done := make(chan struct{}, 2)
		go pump(client, server, done)
		go pump(server, client, done)
		<-done
		<-done
	}
}

func serveTCP(port int, handler func(*net.TCPConn)) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port, runtime.Version())
	for {
		peer, err := listener.AcceptTCP()
		if err != nil {
			log.Fatal(err)
		}
		go handler(peer)
	}
}

func serveUDP(port int) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", socket.LocalAddr().(*net.UDPAddr).Port, runtime.Version())
	buffer := make([]byte, echoBuffer)
	for {
		length, sender, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			log.Fatal(err)
		}
		socket.WriteToUDPAddrPort(buffer[:length], sender)
	}
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("go_echo tcp|udp|proxy --port P [--size BYTES] [--upstream P]")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	port := flags.Int("port", 0, "where to listen")
	flags.Int("size", 64, "ignored")
	upstream := flags.Int("upstream", 0, "where the proxy connects to")
	flags.Parse(os.Args[2:])
	runtime.GOMAXPROCS(1)
	switch os.Args[1] {
	case "tcp":
		serveTCP(*port, echo)
	case "proxy":
		serveTCP(*port, proxy(*upstream))
	case "udp":
		serveUDP(*port)
	default:
		log.Fatal("no such mode: ", os.Args[1])
	}
}
