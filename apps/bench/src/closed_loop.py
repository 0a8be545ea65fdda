"""Does one thing again and again, so many times at once.

Each line on standard input, "<concurrency> <milliseconds>", is answered with one line of JSON. A process this small
costs little beside what it measures.

  closed_loop.py spawn COMMAND...                      runs a command, which must print "1"
  closed_loop.py post ADDRESS PORT PATH BODY PART...   posts JSON; each part must be in every answer
"""

import json
import os
import re
import select
import socket
import sys
import time

EXPECTED_OUTPUT = b"1\n"


def now():
    return time.monotonic() * 1000


class Spawned:
    """A process, and the pipe that its output comes through."""

    def __init__(self, command):
        self.descriptor, output = os.pipe()
        to_pipe = [(os.POSIX_SPAWN_DUP2, output, 1)]
        self.pid = os.posix_spawn(command[0], command, os.environ, file_actions=to_pipe)
        os.close(output)
        self.text = b""

    def is_over(self):
        """Once the process has closed its output and is dead."""
        piece = os.read(self.descriptor, 4096)
        self.text += piece
        if piece:
            return False
        os.close(self.descriptor)
        _, status = os.waitpid(self.pid, 0)
        if status != 0 or self.text != EXPECTED_OUTPUT:
            raise RuntimeError(f"status {status}, output {self.text!r}")
        return True


class Posted:
    """A request, on a connection that is kept open through a block."""

    def __init__(self, connection, request, parts):
        self.connection = connection
        self.descriptor = connection.fileno()
        self.parts = parts
        self.text = b""
        connection.sendall(request)

    def is_over(self):
        """Once the whole answer is there."""
        piece = self.connection.recv(65536)
        if not piece:
            raise RuntimeError(f"the connection ended: {self.text!r}")
        self.text += piece
        head, separator, rest = self.text.partition(b"\r\n\r\n")
        if not separator:
            return False
        length = re.search(rb"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
        if length is None:
            raise RuntimeError(f"no length: {head!r}")
        if len(rest) < int(length[1]):
            return False
        for part in self.parts:
            if part not in self.text:
                raise RuntimeError(f"not {part!r}: {self.text!r}")
        return True


def spawning(*command):
    return lambda earlier: Spawned(command)


def posting(address, port, path, body, *parts):
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {address}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()
    wanted = [b"HTTP/1.1 200 ", *(part.encode() for part in parts)]

    def begin(earlier):
        connection = earlier.connection if earlier else socket.create_connection((address, int(port)))
        return Posted(connection, request, wanted)

    return begin


def block(begin, concurrency, duration):
    """Keeps so many going for so long. One that is over makes room for the next."""
    running = {}
    latencies = []

    def launch(earlier=None):
        started = now()
        one = begin(earlier)
        running[one.descriptor] = (one, started)

    started = now()
    for _ in range(concurrency):
        launch()
    while running:
        ready, _, _ = select.select(running, [], [])
        for descriptor in ready:
            one, began = running[descriptor]
            if not one.is_over():
                continue
            latencies.append(round(now() - began, 3))
            del running[descriptor]
            if now() - started < duration:
                launch(one)
    return {"latencies": latencies, "wallMs": round(now() - started, 3)}


def main(kind, *words):
    begin = {"spawn": spawning, "post": posting}[kind](*words)
    for line in sys.stdin:
        concurrency, duration = line.split()
        try:
            answer = block(begin, int(concurrency), float(duration))
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
