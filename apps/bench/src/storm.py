"""Sends a server the worst requests there are, again and again, from several threads at once.

  storm.py ADDRESS PORT MILLISECONDS THREADS

Prints one line of JSON: how often each request was sent, and what came of it: a status, or how the connection ended.
"""

import collections
import json
import socket
import sys
import threading
import time

MB = 1 << 20
# Seconds after which nobody waits for an answer any more.
PATIENCE = 20


def request(fields):
    return json.dumps({"code": "print(1)", **fields}).encode()


def posted(body, *headers, announced=None):
    lines = ["POST /api/execute HTTP/1.1", "Host: 127.0.0.1"]
    if not any(header.startswith("Content-Type") for header in headers):
        lines.append("Content-Type: application/json")
    lines += headers
    length = len(body) if announced is None else announced
    return "\r\n".join([*lines, f"Content-Length: {length}", "Connection: close", "", ""]).encode() + body


def asked(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "Connection: close", "", ""]).encode()


def chunked(size):
    head = "POST /api/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head.encode() + b"1\r\n \r\n" * size + b"0\r\n\r\n"


# A program that leaves files which take long to look at.
heavy_artifacts = """
import os
with open("output/fill.jpg", "wb") as file: file.write(b"\\xff\\xd8" + b"\\xff" * (8 << 20))
with open("output/fill.gif", "wb") as file: file.write(b"GIF89a" + b"\\x00" * (8 << 20))
for number in range(200): open(f"output/{number}.csv", "w").write("1,2,3\\n")
"""

SHAPES = {
    "names of variables": lambda: posted(request({"env": {f"a{number}": "" for number in range(500_000)}})),
    "variables as a list": lambda: posted(request({"env": ["secret"] * 500_000})),
    "values that are no strings": lambda: posted(request({"env": {f"a{number}": {} for number in range(300_000)}})),
    "one value of 7 MB": lambda: posted(request({"env": {"A": "x" * 7 * MB}})),
    "files": lambda: posted(request({"files": [{"path": "a", "content": ""}] * 200_000})),
    "files of another kind": lambda: posted(request({"files": [[]] * 1_500_000})),
    "65 files of 48 KB, one wrong": lambda: posted(
        request({"files": [{"path": f"{number}", "content": "x" * 48_000} for number in range(64)] + [1]})
    ),
    "a file that is not base64": lambda: posted(
        request({"files": [{"path": "a", "content": "?" * 7 * MB, "encoding": "base64"}]})
    ),
    "base64 in lines of one letter": lambda: posted(
        request({"files": [{"path": "a", "content": "A\n" * (7 * MB // 3) + "=", "encoding": "base64"}]})
    ),
    "7 MB of base64": lambda: posted(
        request({"files": [{"path": "a", "content": "AAAA" * (7 * MB // 4), "encoding": "base64"}]})
    ),
    "a path of 7 MB": lambda: posted(request({"files": [{"path": "a/" * (7 * MB // 2), "content": ""}]})),
    "open brackets": lambda: posted(b"[" * 4_000_000),
    "open objects": lambda: posted(b'{"a":' * 1_400_000),
    "deep and closed": lambda: posted(b'{"code":' + b"[" * 3_000_000 + b"]" * 3_000_000 + b"}"),
    "escapes": lambda: posted(b'{"code":"' + b"\\u0000" * (7 * MB // 6) + b'"}'),
    "a number of 7 MB": lambda: posted(b'{"code":"x","timeout":' + b"9" * 7 * MB + b"}"),
    "unknown fields": lambda: posted(request({f"b{number}": 1 for number in range(500_000)})),
    "one unknown field of 7 MB": lambda: posted(request({"c" * 7 * MB: 1})),
    "the same field again and again": lambda: posted(b"{" + b'"code":"x",' * 600_000 + b'"code":"x"}'),
    "blanks": lambda: posted(b" " * 7 * MB),
    "not UTF-8": lambda: posted(b'{"code":"' + b"\xff" * 7 * MB + b'"}'),
    "a key of 7 MB": lambda: posted(request({"idempotencyKey": "k" * 7 * MB})),
    "a user of 7 MB": lambda: posted(request({"userId": "u" * 7 * MB})),
    "a directory of 7 MB": lambda: posted(request({"outputDir": "o" * 7 * MB})),
    "a language of 7 MB": lambda: posted(request({"language": "l" * 7 * MB})),
    "another type": lambda: posted(b"x" * 7 * MB, "Content-Type: text/plain"),
    "40 MB": lambda: posted(b" " * 40 * MB),
    "1 GB that never comes": lambda: posted(b" " * MB, announced=1 << 30),
    "chunks of one byte": lambda: chunked(300_000),
    "a long address": lambda: asked("/health?cursor=" + "x" * 12_000),
    "many parameters": lambda: asked("/health?" + "&".join(["a=1"] * 3_000)),
    "many headers": lambda: asked("/health", *[f"X-{number}: 1" for number in range(1_500)]),
    "artifacts that take long": lambda: posted(request({"code": heavy_artifacts})),
}


def come_of(address, message):
    """The status of the answer, or how the connection ended without one."""
    try:
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            try:
                connection.sendall(message)
            except OSError:
                # Who is refused may be told before everything has been sent.
                pass
            return connection.recv(65536)[9:12].decode() or "closed"
    except TimeoutError:
        return "nothing"
    except OSError as error:
        return type(error).__name__


def storm(address, until, messages, seen):
    while time.monotonic() < until:
        for name, message in messages:
            seen[name][come_of(address, message)] += 1
            if time.monotonic() >= until:
                return


def main(host, port, duration, threads):
    address = (host, int(port))
    messages = [(name, shape()) for name, shape in SHAPES.items()]
    seen = {name: collections.Counter() for name in SHAPES}
    print("ready", flush=True)
    until = time.monotonic() + int(duration) / 1000
    rotated = [messages[at:] + messages[:at] for at in range(0, len(messages), len(messages) // int(threads))]
    stormers = [
        threading.Thread(target=storm, args=(address, until, rotated[number], seen)) for number in range(int(threads))
    ]
    for stormer in stormers:
        stormer.start()
    for stormer in stormers:
        stormer.join()
    print(json.dumps(seen), flush=True)


main(*sys.argv[1:])
