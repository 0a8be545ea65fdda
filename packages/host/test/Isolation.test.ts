import { readFileSync, statSync, watch, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import {
  descendantsOf,
  ownerOf,
  processesMarked,
  python,
  rejection,
  run,
  sandbox,
  uidBlockOf,
  uidOf,
  until
} from "./Fixtures.js"
import { bundled, unprivileged } from "./HostBundle.js"
import { startHost } from "./RunningHost.js"

const isRoot = process.getuid?.() === 0

/** One suite judges both: walls that the launcher builds, and those that bubblewrap does. */
const hosts: ReadonlyArray<readonly [what: string, host: Layer.Layer<EmbeddedHost, unknown>, root: boolean]> =
  [
    ["A sandbox", EmbeddedHost.layer(), isRoot],
    ...(isRoot ? [["A sandbox of a host that is not root", unprivileged, false] as const] : [])
  ]

/** A TCP server of the host's own, on its loopback. */
const listener = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly visits: () => number; readonly close: () => void }>(
    (resume) => {
      let visits = 0
      const server = createServer((socket) => {
        visits += 1
        socket.destroy()
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, visits: () => visits, close: () => server.close() }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

/** Huge pages that the machine has to spare while a test runs. */
const hugePages = Effect.acquireRelease(
  Effect.sync(() => {
    const file = "/proc/sys/vm/nr_hugepages"
    const before = readFileSync(file, "utf8")
    writeFileSync(file, String(Number(before) + 4))
    return { file, before }
  }),
  ({ before, file }) => Effect.sync(() => writeFileSync(file, before))
)

const neverAccepted = `import socket, time
held = []
for _ in range(300):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100000)
    held.append(listener)
    for _ in range(60):
        end = socket.socket()
        end.settimeout(0.05)
        try: end.connect(listener.getsockname())
        except OSError: break
        end.setblocking(False)
        try:
            while True: end.send(bytes(1 << 16))
        except BlockingIOError: pass
        end.close()
time.sleep(1)`

for (const [what, host, root] of hosts)
  layer(host, { excludeTestServices: true, timeout: "30 seconds" })(what, (it) => {
    const users = root ? ["user", "root"] : ["user"]

    it.scoped("sees none of the host's accounts, names or files", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        for (const user of users) {
          for (const path of [
            "/etc/shadow",
            "/etc/ssh",
            "/etc/hostname.host",
            "/sys/kernel",
            "/work",
            "/run/bulkhead-host"
          ])
            assert.notStrictEqual((yield* run(here, `ls ${path}`, { user })).exitCode, 0, path)
          const names = (yield* run(here, "cut -d: -f1 /etc/passwd", { user })).stdout
          assert.strictEqual(names, "root\nuser\nnobody\n")
          assert.strictEqual((yield* run(here, "hostname", { user })).stdout, "sandbox\n")
        }
        const host = readFileSync("/proc/sys/kernel/hostname", "utf8").trim()
        assert.notInclude((yield* run(here, "cat /etc/hosts /proc/sys/kernel/hostname")).stdout, host)
        assert.strictEqual(
          (yield* run(here, "ls /home /opt /mnt /srv 2>/dev/null | sort | tr '\\n' ' '")).stdout.includes(
            "root"
          ),
          true
        )
      })
    )

    it.scoped("sees no process but its own", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        yield* sandbox()
        const { stdout } = yield* run(here, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert.notInclude(stdout, "vitest")
        assert.notInclude(stdout, "launch")
        const pids = (yield* run(here, "ls /proc | grep -c '^[0-9]'")).stdout
        assert.isBelow(Number(pids), 10)
      })
    )

    it.scoped("reaches no network, not even the host's loopback", () =>
      Effect.gen(function* () {
        const { port, visits } = yield* listener
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          `import socket
for address in ("127.0.0.1", "10.0.2.2", "169.254.169.254", "8.8.8.8"):
    s = socket.socket(); s.settimeout(2)
    try: s.connect((address, ${port})); print("reached", address)
    except OSError as e: print("no")
print(sorted(open("/proc/net/dev").read().split("\\n")[2:3]))`
        )
        assert.notInclude(stdout, "reached")
        assert.strictEqual(stdout.split("\n").filter((line) => line === "no").length, 4)
        assert.strictEqual(visits(), 0)
        assert.include(stdout, "lo:")
      })
    )

    it.scoped("finds no secret of the host in any environment it can read", () =>
      Effect.gen(function* () {
        process.env.HOST_TEST_SECRET = "s3cr3t-of-the-host"
        const here = yield* sandbox()
        for (const user of users) {
          const { stdout } = yield* run(
            here,
            "cat /proc/*/environ /proc/*/task/*/environ 2>/dev/null | tr '\\0' '\\n'; env; cat /proc/1/cmdline",
            { user }
          )
          assert.notInclude(stdout, "s3cr3t-of-the-host")
          assert.notInclude(stdout, "E2B_API_KEY")
        }
      })
    )

    it.scoped("writes nowhere but to its home, /tmp and /dev/shm", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        // Above the user's own home there is nobody else's where there is one user.
        const owner = root ? "root" : "user"
        const places = "/ /usr /usr/bin /usr/local /etc /run /dev /proc /var /home /bin /lib"
        for (const user of users) {
          const { stdout } = yield* run(
            here,
            `for d in ${places}; do (echo x > $d/planted) 2>/dev/null && echo "wrote $d"; done; echo x > /etc/passwd; echo x > /usr/bin/env; true`,
            { user }
          )
          assert.strictEqual(stdout, user === owner ? "wrote /home\n" : "")
        }
        for (const place of ["/home/user", "/tmp", "/dev/shm"])
          assert.strictEqual((yield* run(here, `echo x > ${place}/f && cat ${place}/f`)).stdout, "x\n")
        assert.throws(() => statSync("/usr/planted"))
        const mounts = (yield* run(here, "awk '$4 ~ /^rw/ {print $2}' /proc/mounts")).stdout
          .trim()
          .split("\n")
        const known = ["/proc", "/tmp", "/home", "/dev/shm", "/dev/pts"]
        const devices = ["null", "zero", "full", "random", "urandom", "tty"].map((name) => `/dev/${name}`)
        for (const mount of mounts) assert.include([...known, ...devices], mount)
      })
    )

    it.scoped("holds no capability, and cannot gain one", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { stdout } = yield* run(here, "cat /proc/self/status")
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
          assert.match(stdout, new RegExp(`${set}:\\t0{16}\\n`))
        // CHOWN, KILL, SETGID and SETUID over the sandbox's own users, and none that could ever be more.
        if (root) {
          const ofRoot = (yield* run(here, "cat /proc/self/status", { user: "root" })).stdout
          for (const set of ["CapPrm", "CapEff", "CapBnd"])
            assert.match(ofRoot, new RegExp(`${set}:\\t0{14}e1\\n`))
        }
        assert.match(stdout, /NoNewPrivs:\t1\n/)
        assert.match(stdout, /Seccomp:\t2\n/)
        const gained = yield* run(
          here,
          "cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; /tmp/id -u; su -c id root </dev/null 2>&1; true"
        )
        assert.notMatch(gained.stdout, /uid=0|^0$/m)
      })
    )

    it.scoped("runs as uids that nothing else on the host has", () =>
      Effect.gen(function* () {
        if (!root) return
        const [one, other] = [yield* sandbox(), yield* sandbox()]
        const handles = yield* Effect.promise(() =>
          Promise.all(
            [one, other].map((each, index) =>
              each.commands.run(`exec sleep 8639${index}`, { background: true })
            )
          )
        )
        assert.strictEqual(handles.length, 2)
        const marks = ["sleep 86390", "sleep 86391"]
        // A shell has to become them first.
        yield* until("both sleep", () => marks.every((mark) => uidOf(mark) !== undefined))
        const uids = marks.map(uidOf)
        assert.notStrictEqual(uids[0], uids[1])
        for (const uid of uids) assert.isAtLeast(uid ?? 0, 0x70000000)
      })
    )

    it.scoped("has user ids of a block that no other host's launcher has", () =>
      Effect.gen(function* () {
        if (!root) return
        const other = yield* startHost(yield* bundled)
        const here = yield* sandbox()
        yield* Effect.promise(() => here.commands.run("exec sleep 86430", { background: true }))
        yield* until("it sleeps", () => uidOf("sleep 86430") !== undefined)
        const launchers = [process.pid, other.child.pid ?? 0].map((host) => descendantsOf(host)[0] ?? 0)
        const [own = 0, others = 0] = launchers.map(ownerOf)
        assert.strictEqual(uidBlockOf(uidOf("sleep 86430") ?? 0), uidBlockOf(own))
        assert.notStrictEqual(uidBlockOf(own), uidBlockOf(others))
        // By their real uid the kernel tells launchers that theirs is taken.
        for (const uid of [own, others]) assert.strictEqual(uid % 4, 3)
      })
    )

    it.scoped("is refused the system calls that Docker refuses", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const arm = process.arch === "arm64"
        const calls = {
          mount: arm ? 40 : 165,
          umount2: arm ? 39 : 166,
          pivot_root: arm ? 41 : 155,
          chroot: arm ? 51 : 161,
          unshare: arm ? 97 : 272,
          setns: arm ? 268 : 308,
          bpf: arm ? 280 : 321,
          keyctl: arm ? 219 : 250,
          add_key: arm ? 217 : 248,
          userfaultfd: arm ? 282 : 323,
          perf_event_open: arm ? 241 : 298,
          kexec_load: arm ? 104 : 246,
          reboot: arm ? 142 : 169,
          init_module: arm ? 105 : 175,
          io_uring_setup: 425,
          open_by_handle_at: arm ? 265 : 304,
          fsopen: 430,
          move_mount: 429,
          sethostname: arm ? 161 : 170,
          settimeofday: arm ? 170 : 164,
          swapon: arm ? 224 : 167,
          quotactl: arm ? 60 : 179,
          syslog: arm ? 116 : 103
        }
        const code = `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, number in ${JSON.stringify(Object.entries(calls))}:
    ctypes.set_errno(0)
    r = libc.syscall(number, 0x10000000, 0, 0, 0, 0)
    print(name, r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.syscall(435, 0, 0); print("clone3", r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.syscall(9999, 0); print("future", r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.syscall(${arm ? 220 : 56}, 0x10000000 | 17, 0, 0, 0, 0)
if r == 0: os._exit(0)
print("clone", r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.syscall(${arm ? 92 : 135}, 0x0400000); print("personality", r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.socket(40, 1, 0); print("vsock", r, ctypes.get_errno())
ctypes.set_errno(0); r = libc.ioctl(0, 0x5412, b"x"); print("tiocsti", r, ctypes.get_errno())`
        for (const user of users) {
          const { stdout } = yield* python(here, code, { user })
          const answers = Object.fromEntries(
            stdout
              .trim()
              .split("\n")
              .map((line) => [line.split(" ")[0], line.split(" ").slice(1).join(" ")])
          )
          for (const name of [...Object.keys(calls), "clone", "personality", "tiocsti"])
            assert.strictEqual(answers[name], "-1 1", `${user}: ${name}`)
          assert.strictEqual(answers.vsock, "-1 97")
          assert.strictEqual(answers.clone3, "-1 38")
          assert.strictEqual(answers.future, "-1 38")
        }
      })
    )

    it.scoped("is refused what takes memory that nobody counts, and what is the machine's", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const calls =
          process.arch === "arm64" ? { io_setup: 0, seccomp: 277 } : { io_setup: 206, seccomp: 317 }
        const code = `import ctypes, errno, mmap, os, resource, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.connect(("127.0.0.1", 9))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
length = struct.pack("HxxxxxxQ", 1, ctypes.addressof(program))
attempts = {
    "netlink": lambda: socket.socket(16, 3, 0),
    "mptcp": lambda: socket.socket(2, 1, 262),
    "cork": lambda: datagrams.setsockopt(17, 1, 1),
    "more": lambda: datagrams.send(b"x", socket.MSG_MORE),
    "errors": lambda: datagrams.setsockopt(0, 11, 1),
    "filter": lambda: datagrams.setsockopt(1, 26, length),
    "group": lambda: six.setsockopt(41, 20, socket.inet_pton(socket.AF_INET6, "ff02::1") + struct.pack("i", 1)),
    "huge": lambda: mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000),
    "huge file": lambda: os.memfd_create("huge", 4),
    "others' limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "contexts": lambda: call(${calls.io_setup}, 1, ctypes.byref(ctypes.c_ulong(0))),
    "seccomp": lambda: call(${calls.seccomp}, 1, 0, length),
    "prctl": lambda: call(${process.arch === "arm64" ? 167 : 157}, 22, 2, length),
    "descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)),
    "cores": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "others' reading": lambda: called(libc.inotify_add_watch(libc.inotify_init1(0), b"/usr/bin", 32)),
    "the disk": lambda: called(libc.fsync(987)),
}
def called(answer):
    if answer < 0: raise OSError(ctypes.get_errno(), "")
def call(*arguments): called(libc.syscall(*arguments))
for name, attempt in attempts.items():
    try: attempt(); print(name + ":", "done")
    except ValueError: print(name + ": too many")
    except OSError as error: print(name + ":", errno.errorcode[error.errno])
print("cores of at most", *resource.getrlimit(resource.RLIMIT_CORE))`
        for (const user of users) {
          const { stdout } = yield* python(here, code, { user })
          assert.deepStrictEqual(stdout.trim().split("\n"), [
            ...["netlink: EAFNOSUPPORT", "mptcp: EPROTONOSUPPORT", "cork: ENOPROTOOPT", "more: ENOTSUP"],
            ...["errors: ENOPROTOOPT", "filter: ENOPROTOOPT", "group: ENOPROTOOPT", "huge: ENOMEM"],
            ...["huge file: ENOMEM", "others' limits: EPERM", "contexts: ENOSYS", "seccomp: EINVAL"],
            ...["prctl: EINVAL", "descriptors: too many", "cores: done"],
            ...["others' reading: EPERM", "the disk: done", "cores of at most 1 1"]
          ])
        }
      })
    )

    it.scoped("takes no huge page of the machine's pool", () =>
      Effect.gen(function* () {
        if (!isRoot) return
        yield* hugePages
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          `import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(0, 2 << 20, 0o4000 | 0o1600), ctypes.get_errno())
try: print(mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)[0])
except OSError as error: print(error.errno)`
        )
        assert.strictEqual(stdout, "-1 12\n12\n")
      })
    )

    it.scoped("is ended when it holds too much in connections that nobody accepts", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        for (const user of users) {
          const { exitCode } = yield* python(here, neverAccepted, { user })
          assert.notStrictEqual(exitCode, 0)
          assert.strictEqual((yield* run(here, "echo well", { user })).stdout, "well\n")
        }
      })
    )

    it.scoped("is ended for that when no program that a client started is left either", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const orphan = `import os, time
open("begun", "w")
while os.getppid() != 1: time.sleep(0.01)
${neverAccepted}
time.sleep(600)`
        yield* Effect.promise(() => here.files.write("orphan.py", orphan))
        yield* run(
          here,
          "(setsid python3 orphan.py 86427 > /dev/null 2>&1 &); until [ -e begun ]; do sleep 0.01; done"
        )
        // Seen from outside: to ask inside would start a program.
        yield* until("it is ended", () => processesMarked("orphan.py 86427").length === 0)
      })
    )

    it.scoped("uses up nothing that the kernel counts by user for others", () =>
      Effect.gen(function* () {
        if (!root) return
        const [greedy, other] = [yield* sandbox(), yield* sandbox()]
        const taking = `import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, {40})
taken = [0, 0]
while libc.inotify_init1(0) >= 0: taken[0] += 1
while libc.sigqueue(os.getpid(), 40, None) == 0: taken[1] += 1
print(taken, flush=True)
time.sleep(86425 if len(sys.argv) > 1 else 0)`
        yield* Effect.promise(() => greedy.files.write("taking.py", taking))
        yield* Effect.promise(() => other.files.write("taking.py", taking))
        const alone = (yield* run(other, "python3 taking.py")).stdout
        let said = ""
        yield* Effect.promise(() =>
          greedy.commands.run("python3 taking.py hold", {
            background: true,
            timeoutMs: 0,
            onStdout: (text) => {
              said += text
            }
          })
        )
        yield* until("all is taken", () => said !== "")
        assert.strictEqual((yield* run(other, "python3 taking.py")).stdout, alone)
        yield* Effect.sync(() => watch("/tmp").close())
      })
    )

    it.scoped("sees nothing that tells of the host alone", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const facts =
          "cmdline config.gz modules kallsyms diskstats partitions swaps interrupts keys key-users"
        for (const user of users) {
          const { stdout } = yield* run(
            here,
            `cd /proc; for file in ${facts}; do head -c 9 $file 2>/dev/null; done; echo; cat self/mountinfo`,
            { user }
          )
          const [seen, ...mounts] = stdout.trimEnd().split("\n")
          assert.strictEqual(seen, "")
          if (root) assert.notInclude(mounts.join("\n"), "bulkhead")
        }
      })
    )

    it.scoped("refuses the other ABI of the processor", () =>
      Effect.gen(function* () {
        if (process.arch !== "x64") return
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          `import ctypes
libc = ctypes.CDLL(None, use_errno=True)
r = libc.syscall(0x40000000 | 39); print(r, ctypes.get_errno())`
        )
        assert.strictEqual(stdout, "-1 1\n")
        // int 0x80 enters by the 32-bit table: the filter ends the process.
        const killed = yield* python(
          here,
          `import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print("alive")`
        )
        assert.notInclude(killed.stdout, "alive")
        assert.notStrictEqual(killed.exitCode, 0)
      })
    )

    it.scoped("cannot touch its agent", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        for (const user of users) {
          const { stdout } = yield* run(
            here,
            `kill -9 1; kill -STOP 1; cat /proc/1/environ /proc/1/mem /proc/1/fd/3; readlink /proc/1/fd/3 /proc/1/exe; echo x > /proc/1/fd/3;
           python3 -c 'import ctypes; print("ptrace", ctypes.CDLL(None).ptrace(16, 1, 0, 0))'; true`,
            { user }
          )
          assert.strictEqual(stdout, "ptrace -1\n")
        }
        assert.strictEqual((yield* run(here, "echo well")).stdout, "well\n")
        yield* run(here, "kill -9 -1; true").pipe(Effect.ignore)
        assert.strictEqual((yield* run(here, "echo still")).stdout, "still\n")
      })
    )

    it.scoped("leads no file operation astray with links, pipes or devices", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { files } = here
        yield* run(
          here,
          `mkfifo fifo; ln -s fifo to-fifo; ln -s /dev/zero zero; ln -s loop loop; ln -s /etc/passwd passwd; mkdir sub; ln -s / sub/up;
         ln -s /proc/1/environ agent; ln -s /home/root/secret secret`
        )
        if (root) yield* run(here, "echo hidden > ~/secret", { user: "root" })
        for (const path of [
          "fifo",
          "to-fifo",
          "zero",
          "loop",
          "agent",
          "sub/up",
          ...(root ? ["secret"] : [])
        ]) {
          const read = yield* rejection(() => files.read(path))
          assert.notInclude(read.message, "hidden")
          yield* rejection(() => files.write(path, "x"))
        }
        yield* rejection(() => files.write("passwd", "x"))
        assert.strictEqual(
          yield* Effect.promise(() => files.read("passwd")),
          yield* Effect.promise(() => files.read("/etc/passwd"))
        )
        yield* Effect.promise(() => files.remove("sub"))
        assert.isTrue(yield* Effect.promise(() => files.exists("/usr/bin/env")))
        const listed = yield* Effect.promise(() => files.list("/home/user"))
        assert.include(
          listed.map(({ name }) => name),
          "loop"
        )
      })
    )

    it.scoped("leaves nothing behind when it is killed, however its programs hide", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        yield* python(
          here,
          `import os, signal, sys
def daemon(mark):
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
    os.closerange(0, 50)
    os.execv("/bin/sleep", ["sleep", mark])
for n in range(5): daemon("8640" + str(n))
import time
time.sleep(0.3)`
        )
        yield* run(here, "(setsid sh -c 'trap \"\" TERM; kill -STOP $$; sleep 86405' &) ; true")
        assert.isAtLeast(processesMarked("sleep 8640").length, 5)
        yield* Effect.promise(() => here.kill())
        assert.deepEqual(processesMarked("sleep 8640"), [])
      })
    )

    it.scoped("lets many orphans and zombies be reaped", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        yield* run(here, "for i in $(seq 200); do (setsid true &); done; sleep 0.3")
        const { stdout } = yield* run(here, "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")
        assert.strictEqual(stdout, "0\n")
      })
    )
  })
