#!/usr/bin/env python3
"""A BitTorrent tracker that answers everybody with all peers, whom it is told at its start.

    tracker.py ADDRESS PEER ...        ADDRESS and PEER are like 10.77.0.1:6969

Says `ready` when it listens.
"""
import http.server
import socket
import sys

address, *peers = sys.argv[1:]


def split(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


compact = b"".join(socket.inet_aton(host) + port.to_bytes(2, "big") for host, port in map(split, peers))
ANSWER = b"d8:intervali2e5:peers%d:%se" % (len(compact), compact)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(split(address), Handler)
print("ready", flush=True)
server.serve_forever()
