"""A key-value service in one page: `INCR key` and `GET key`, a line each, kept in a file."""

import json
import pathlib
import socketserver

FILE = pathlib.Path("/data/counts.json")


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            verb, _, key = line.decode().strip().partition(" ")
            counts = json.loads(FILE.read_text()) if FILE.exists() else {}
            if verb == "INCR":
                counts[key] = counts.get(key, 0) + 1
                FILE.write_text(json.dumps(counts))
            self.wfile.write(f"{counts.get(key, 0)}\n".encode())


class Server(socketserver.TCPServer):
    allow_reuse_address = True


with Server(("127.0.0.1", 6480), Handler) as server:
    print("store: listening on 127.0.0.1:6480", flush=True)
    server.serve_forever()
