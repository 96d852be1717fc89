"""Tell whoever asks who answers, and where the question came from: as HTTP on port 8000, as UDP on port 7."""

from __future__ import annotations

import socket
import socketserver
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

NAME = socket.gethostname()


class Page(BaseHTTPRequestHandler):
    """Every page is the same."""

    def do_GET(self) -> None:
        body = f"{NAME} answers {plain(self.client_address[0])}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Echo(socketserver.BaseRequestHandler):
    """What was said comes back."""

    def handle(self) -> None:
        data, sock = self.request
        sock.sendto(f"{NAME} answers {plain(self.client_address[0])}: ".encode() + data, self.client_address)


class Web(ThreadingHTTPServer):
    """IPv4 as well: its addresses are ::ffff:10.0.0.1 then."""

    address_family = socket.AF_INET6


class Datagrams(socketserver.UDPServer):
    address_family = socket.AF_INET6


def plain(address: str) -> str:
    return address.removeprefix("::ffff:")


if __name__ == "__main__":
    Thread(target=Datagrams(("::", 7), Echo).serve_forever, daemon=True).start()
    Web(("::", 8000), Page).serve_forever()
