import { assert } from "@effect/vitest"
import { bash, type Case, javascript, python } from "./Case.js"

/** What programs expect to find around them. */
export const environment: ReadonlyArray<Case> = [
  {
    name: "every link of /usr that points into /etc leads somewhere, where it does here",
    request: bash(
      "find /usr/bin /usr/sbin /usr/lib /usr/share -maxdepth 6 -type l -lname '/etc/*' 2>/dev/null | sort | while read -r link; do",
      '  [ -e "$link" ] && echo "$link"',
      "done | grep -v -e ssl/private -e /rc.d -e /init.d -e /environment.d || true"
    ),
    likeHere: true
  },
  {
    name: "nothing of /etc is a secret",
    request: bash(
      "for f in shadow gshadow sudoers machine-id ssh ssl/private apt/auth.conf netrc krb5.keytab; do",
      '  [ -s "/etc/$f" ] && [ -r "/etc/$f" ] && [ -n "$(ls -A /etc/$f)" ] && echo "$f"',
      "done; true"
    ),
    stdout: ""
  },
  {
    name: "getent services",
    request: bash("getent services http https domain ssh postgresql"),
    needs: ["getent", "/etc/services"],
    likeHere: true
  },
  {
    name: "services and protocols by name in Python",
    request: python(
      "import socket",
      "print(socket.getservbyname('https'), socket.getservbyport(25), socket.getprotobyname('icmp'))"
    ),
    needs: ["/etc/services", "/etc/protocols"],
    stdout: "443 smtp 1\n"
  },
  {
    name: "fc-list names the fonts",
    request: bash("fc-list : family | sort -u"),
    needs: ["fc-list"],
    likeHere: true,
    also: ({ stderr }) => assert.strictEqual(stderr, "")
  },
  {
    name: "fc-match finds a default font",
    request: bash("fc-match sans"),
    needs: ["fc-match"],
    likeHere: true
  },
  {
    name: "types of files by their names",
    request: python(
      "import mimetypes",
      "print([mimetypes.guess_type('a.' + e)[0] for e in 'csv docx xlsx svg webp parquet py'.split()])"
    ),
    likeHere: true
  },
  {
    name: "lscpu says how many processors there are",
    request: bash("lscpu | grep -E '^CPU\\(s\\):'"),
    needs: ["lscpu"],
    stdout: /^CPU\(s\):\s+\d+\n$/
  },
  {
    name: "counts of processors agree with one another",
    request: bash(
      "nproc",
      "python3 -c 'import os; print(len(os.sched_getaffinity(0)))'",
      "node -p 'require(\"os\").availableParallelism()'",
      "getconf _NPROCESSORS_ONLN"
    ),
    also: ({ stdout }) => {
      const counts = stdout.trim().split("\n").map(Number)
      assert.strictEqual(counts.length, 4)
      assert.isTrue(
        counts.every((count) => count >= 1 && count === counts[0]),
        stdout
      )
    }
  },
  {
    name: "/sys/devices/system/cpu says how many processors there are",
    request: bash("cat /sys/devices/system/cpu/online /sys/devices/system/cpu/possible"),
    stdout: /^\d+(-\d+)?\n\d+(-\d+)?\n$/
  },
  {
    name: "the user has a name and a home",
    report: "silx-kit/silx#2434, PyMySQL/PyMySQL#472",
    request: python(
      "import getpass, os, pwd, grp",
      "me = pwd.getpwuid(os.getuid())",
      "print(getpass.getuser() == me.pw_name, me.pw_dir == os.path.expanduser('~') == os.environ['HOME'], bool(grp.getgrgid(os.getgid()).gr_name))"
    ),
    stdout: "True True True\n"
  },
  {
    name: "whoami and id agree",
    request: bash("[ $(whoami) = $(id -un) ] && groups > /dev/null && echo yes"),
    stdout: "yes\n"
  },
  {
    name: "caches in the home can be written",
    report: "langgenius/dify#20077, langgenius/dify-sandbox#117",
    request: python(
      "import os, pathlib",
      "for d in ('.cache', '.config', '.local/share'):",
      "  p = pathlib.Path.home() / d / 'app'; p.mkdir(parents=True); (p / 'x').write_text('x')",
      "print('ok')"
    ),
    stdout: "ok\n"
  },
  {
    name: "temporary files in every place for them",
    request: python(
      "import tempfile, os",
      "for d in (None, '/tmp', '/var/tmp', '/dev/shm'):",
      "  with tempfile.NamedTemporaryFile(dir=d) as f: f.write(b'x' * 100000); f.flush(); print(os.path.getsize(f.name))"
    ),
    stdout: "100000\n".repeat(4)
  },
  {
    name: "the locale is UTF-8",
    request: python(
      "import locale, sys",
      "print(locale.getpreferredencoding(), sys.stdout.encoding, sys.getfilesystemencoding())"
    ),
    stdout: /^utf-8 utf-8 utf-8\n$/i
  },
  {
    name: "locale says so without a complaint",
    request: bash("locale 2>&1 | grep -i -c warning; locale charmap"),
    stdout: "0\nUTF-8\n"
  },
  {
    name: "perl does not complain of its locale",
    request: bash("perl -e 'print \"ok\\n\"'"),
    needs: ["perl"],
    stdout: "ok\n",
    also: ({ stderr }) => assert.strictEqual(stderr, "")
  },
  {
    name: "time zones by name",
    report: "compiler-explorer/compiler-explorer#2095",
    request: python(
      "from datetime import datetime; from zoneinfo import ZoneInfo",
      "print(datetime(2026, 7, 1, tzinfo=ZoneInfo('Europe/Zurich')).utcoffset())"
    ),
    needs: ["/usr/share/zoneinfo/Europe/Zurich"],
    stdout: "2:00:00\n"
  },
  {
    name: "a time zone of the request's",
    report: "EtiennePerot/safe-code-execution#27, cloudflare/agents#2072",
    request: { ...bash("date -d @0 +%H:%M", "node -p 'new Date(0).getHours()'"), env: { TZ: "Asia/Tokyo" } },
    needs: ["/usr/share/zoneinfo/Asia/Tokyo"],
    stdout: "09:00\n9\n"
  },
  { name: "without one, this machine's", request: bash("date -d @1700000000 +%H:%M%z"), likeHere: true },
  {
    name: "certificates of the authorities are there",
    request: python("import ssl", "print(len(ssl.create_default_context().get_ca_certs()) > 50)"),
    needs: ["/etc/ssl/certs/ca-certificates.crt"],
    stdout: "True\n"
  },
  {
    name: "what has no network fails at once, with a reason",
    request: python(
      "import urllib.request",
      "try: urllib.request.urlopen('https://example.com', timeout=30)",
      "except OSError as e: print(type(e).__name__)"
    ),
    stdout: "URLError\n",
    within: 15
  },
  {
    name: "curl without a network says what is missing",
    request: bash("curl -sS https://example.com 2>&1; echo $?"),
    needs: ["curl"],
    stdout: /^curl: .*\n(6|7)\n$/,
    within: 15
  },
  {
    name: "pip gives up at once without a network",
    request: bash("python3 -m pip install left-pad-of-nobody 2>&1 | cat"),
    needs: ["/usr/lib/python3/dist-packages/pip/__init__.py"],
    stdout: /connection broken by[\s\S]*No matching distribution/i,
    within: 30
  },
  {
    name: "a server and a client in the sandbox find each other by localhost",
    request: python(
      "import http.server, threading, urllib.request",
      "s = http.server.HTTPServer(('localhost', 0), http.server.SimpleHTTPRequestHandler)",
      "threading.Thread(target=s.serve_forever, daemon=True).start()",
      "print(urllib.request.urlopen(f'http://localhost:{s.server_port}/').status)"
    ),
    stdout: "200\n"
  },
  {
    name: "localhost and the host's own name resolve",
    request: bash("getent hosts localhost > /dev/null && getent hosts $(hostname) > /dev/null && echo yes"),
    stdout: "yes\n"
  },
  {
    name: "ps lists the program",
    request: bash("ps -e -o comm= | grep -c bash"),
    needs: ["ps"],
    stdout: /^[1-9]\d*\n$/
  },
  {
    name: "df says how much room there is",
    request: bash("df -P . | tail -1 | awk '{print ($4 > 100000)}'"),
    stdout: "1\n"
  },
  {
    name: "free and uptime work",
    request: bash("free -m > /dev/null && uptime > /dev/null && echo yes"),
    needs: ["free", "uptime"],
    stdout: "yes\n"
  },
  {
    name: "the devices that programs use",
    request: bash(
      "head -c 4 /dev/urandom | wc -c; head -c 4 /dev/zero | wc -c; echo x > /dev/null",
      "echo out > /dev/stdout; echo err > /dev/stderr; : < /dev/stdin; [ -e /dev/fd/1 ] && echo fd"
    ),
    stdout: "4\n4\nout\nfd\n",
    stderr: "err\n"
  },
  { name: "process substitution", request: bash("diff <(echo a) <(echo a) && echo same"), stdout: "same\n" },
  {
    name: "a variable of the request's reaches the program and its children",
    request: {
      ...bash("echo $GREETING; python3 -c 'import os; print(os.environ[\"GREETING\"])'"),
      env: { GREETING: "grüezi 🙂" }
    },
    stdout: "grüezi 🙂\ngrüezi 🙂\n"
  },
  {
    name: "Node sizes its heap by the cap",
    request: javascript(
      "const { heap_size_limit } = require('node:v8').getHeapStatistics()",
      "console.log(heap_size_limit < 2048 * 2 ** 20)"
    ),
    stdout: "true\n"
  },
  {
    name: "a Node heap that ran out says memory",
    request: {
      ...javascript("const a = []; for (;;) a.push(new Array(1e6).fill(Math.random()))"),
      timeout: 60
    },
    // Node ends itself below the limit: only its last words tell why, and they are no proof.
    verdict: "Signalled",
    also: ({ hints }) => assert.match(hints?.join(" ") ?? "", /ran out of memory/)
  },
  {
    name: "Python's MemoryError says memory",
    request: python("x = bytearray(1 << 50)"),
    verdict: "NonZeroExit",
    stderr: /MemoryError/
  }
]
