"""A web page that counts its visits in the key-value service."""

import http.server
import os
import socket


def visit() -> int:
    with socket.create_connection(("127.0.0.1", 6480), timeout=2) as connection:
        connection.sendall(b"INCR visits\n")
        return int(connection.makefile().readline())


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = "ok\n" if self.path == "/health" else f"Hello! This page has been seen {visit()} times.\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())


port = int(os.environ["PORT"])
print(f"web: http://127.0.0.1:{port}/", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()
