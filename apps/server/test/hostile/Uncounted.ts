import { assert } from "@effect/vitest"
import { type HostileProgram, limits } from "./HostileProgram.js"

/** Says at its end how many MB lie in sockets' queues. */
const queued = `
for _ in range(4): held.pop().close()
total = 0
for table in ("tcp", "tcp6", "udp", "udp6"):
    for line in open("/proc/net/" + table).readlines()[1:]: total += sum(int(size, 16) for size in line.split()[4].split(":"))
say(total >> 20)
`

/** What version 1 counts apart has a limit of its own; on version 2 it is part of the memory. */
const littleQueued: HostileProgram["also"] = ({ receipt, stdout }) => {
  const most = receipt?.enforcement.memory === "cgroup v1" ? limits.memoryMB / 16 : limits.memoryMB
  assert.isAtMost(Number(stdout.trim().split("\n")[1]), most)
}

/** Runs until it is told that there is no more. */
const untilRefused = (setup: string, body: string) => `
import ctypes, errno, os, resource, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)
held = []
def say(what): print(what, flush=True)
${setup}
try:
    while True:
${body
  .trim()
  .split("\n")
  .map((line) => `        ${line}`)
  .join("\n")}
except OSError as error: say(errno.errorcode[error.errno])
`

/** What a program that the watch over sockets has ended looks like. */
const killed = { verdict: "Signalled", signal: "SIGKILL" } as const

const flood = (family: "AF_INET" | "AF_INET6", address: string) => ({
  datagrams: untilRefused(
    "",
    `
end = socket.socket(socket.${family}, socket.SOCK_DGRAM)
end.bind(("${address}", 0))
for size in (socket.SO_RCVBUF, socket.SO_SNDBUF): end.setsockopt(socket.SOL_SOCKET, size, 1 << 30)
end.setblocking(False)
held.append(end)
for _ in range(60):
    try: end.sendto(bytes(60000), end.getsockname())
    except BlockingIOError: break`
  ),
  streams: untilRefused(
    `listener = socket.create_server(("${address}", 0), family=socket.${family})`,
    `
one = socket.create_connection(listener.getsockname()[:2])
other, _ = listener.accept()
for end in (one, other):
    held.append(end)
    end.setblocking(False)
    for size in (socket.SO_RCVBUF, socket.SO_SNDBUF): end.setsockopt(socket.SOL_SOCKET, size, 1 << 30)
    try:
        while True: end.send(bytes(1 << 20))
    except BlockingIOError: pass`
  ),
  connections: untilRefused(
    "",
    `
listener = socket.socket(socket.${family})
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
listener.bind(("${address}", 0))
listener.listen(100000)
held.append(listener)
for _ in range(100):
    end = socket.socket(socket.${family})
    end.settimeout(0.05)
    try: end.connect(listener.getsockname()[:2])
    except TimeoutError: break
    end.setblocking(False)
    try:
        while True: end.send(bytes(1 << 16))
    except BlockingIOError: pass
    end.close()`
  )
})

const inet = flood("AF_INET", "127.0.0.1")
const inet6 = flood("AF_INET6", "::1")

/** In many processes at once, each as many descriptors as it may have. */
const descriptors = (make: string) => `
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.eventfd.argtypes = libc.timerfd_create.argtypes = [ctypes.c_int, ctypes.c_int]
for _ in range(24):
    if os.fork() == 0:
        while ${make} >= 0: pass
        time.sleep(1)
        os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: break
print("done")`

const completed = { verdict: "Completed" } as const

/** Memory and numbers of the machine's that no memory cgroup counts. */
export const uncounted: ReadonlyArray<HostileProgram> = [
  {
    name: "every family, type and protocol of sockets",
    language: "python",
    code: `
import socket
opened = set()
for family in range(64):
    for kind in range(1, 11):
        for protocol in (0, 1, 2, 6, 16, 17, 33, 58, 132, 136, 255, 256, 262):
            for make in (socket.socket, socket.socketpair):
                try: made = make(family, kind, protocol)
                except OSError: continue
                opened.add((family, kind, protocol if family != 1 else 0))
print(sorted(opened))`,
    ...completed,
    stdout:
      /^\[\(1, 1, 0\), \(1, 2, 0\), \(1, 3, 0\), \(1, 5, 0\), \(2, 1, 0\), \(2, 1, 6\), \(2, 2, 0\), \(2, 2, 17\), \(10, 1, 0\), \(10, 1, 6\), \(10, 2, 0\), \(10, 2, 17\)\]\n$/
  },
  {
    name: "netlink sockets that write to themselves",
    language: "python",
    code: untilRefused(
      "",
      `
end = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
end.bind((0, 0))
end.setblocking(False)
held.append(end)
try:
    while True: end.sendto(bytes(60000), (end.getsockname()[0], 0))
except BlockingIOError: pass`
    ),
    ...completed,
    stdout: /^EAFNOSUPPORT\n$/
  },
  {
    name: "datagrams that nobody reads",
    language: "python",
    code: inet.datagrams,
    ...completed,
    stdout: /^E/
  },
  {
    name: "datagrams of version 6",
    language: "python",
    code: inet6.datagrams + queued,
    ...completed,
    also: littleQueued
  },
  {
    name: "streams that nobody reads",
    language: "python",
    code: inet.streams + queued,
    ...completed,
    also: littleQueued
  },
  {
    name: "streams of version 6",
    language: "python",
    code: inet6.streams + queued,
    ...completed,
    also: littleQueued
  },
  { name: "connections that nobody accepts", language: "python", code: inet.connections, ...killed },
  { name: "connections of version 6", language: "python", code: inet6.connections, ...killed },
  {
    name: "datagrams held back by an option",
    language: "python",
    code: untilRefused(
      "",
      `
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.connect(("127.0.0.1", 9))
end.setsockopt(socket.IPPROTO_UDP, 1, 1)
end.send(bytes(60000))
held.append(end)`
    ),
    ...completed,
    stdout: /^ENOPROTOOPT\n$/
  },
  {
    name: "datagrams held back by a flag",
    language: "python",
    code: untilRefused(
      "",
      `
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.connect(("127.0.0.1", 9))
for send in (lambda: end.sendto(bytes(60000), socket.MSG_MORE, ("127.0.0.1", 9)), lambda: end.sendmsg([bytes(60000)], [], socket.MSG_MORE)):
    try: send(); say("sent")
    except OSError as error: assert error.errno == errno.EOPNOTSUPP
end.send(bytes(60000), socket.MSG_MORE)
held.append(end)`
    ),
    ...completed,
    stdout: /^ENOTSUP\n$/
  },
  {
    name: "queues of errors",
    language: "python",
    code: untilRefused(
      "",
      `
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.setsockopt(socket.IPPROTO_IP, 11, 1)
held.append(end)
for _ in range(600):
    try: end.sendto(bytes(500), ("127.0.0.1", 9))
    except OSError: pass`
    ),
    ...completed,
    stdout: /^ENOPROTOOPT\n$/
  },
  {
    name: "queues of timestamps",
    language: "python",
    code: untilRefused(
      `reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reader.bind(("127.0.0.1", 0))
reader.setblocking(False)`,
      `
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.connect(reader.getsockname())
end.setblocking(False)
held.append(end)
for _ in range(30):
    try: end.sendmsg([bytes(30000)], [(socket.SOL_SOCKET, 37, struct.pack("I", 2))])
    except BlockingIOError: break
    reader.recv(100000)`
    ),
    ...killed
  },
  {
    name: "packet filters on sockets",
    language: "python",
    code: untilRefused(
      `length = 4000
program = struct.pack("HBBI", 0, 0, 0, 1) * (length - 1) + struct.pack("HBBI", 6, 0, 0, 0xffff)
memory = ctypes.create_string_buffer(program, len(program))
attached = struct.pack("HxxxxxxQ", length, ctypes.addressof(memory))`,
      `
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, 26, attached)
held.append(end)`
    ),
    ...completed,
    stdout: /^ENOPROTOOPT\n$/
  },
  {
    name: "multicast groups",
    language: "python",
    code: untilRefused(
      "",
      `
end = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
held.append(end)
for number in range(1000): end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, b"\\xff\\x02" + struct.pack(">QIH", len(held), number, 1) + struct.pack("i", 1))`
    ),
    ...completed,
    stdout: /^ENOPROTOOPT\n$/
  },
  {
    name: "filters of system calls",
    language: "python",
    code: `
import ctypes, os, platform, struct, time
libc = ctypes.CDLL(None, use_errno=True)
length = 4000
program = struct.pack("HBBI", 0, 0, 0, 1) * (length - 1) + struct.pack("HBBI", 6, 0, 0, 0x7fff0000)
memory = ctypes.create_string_buffer(program, len(program))
installed = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", length, ctypes.addressof(memory)))
for _ in range(24):
    if os.fork() == 0:
        while libc.prctl(22, 2, installed, 0, 0) == 0: os.write(1, b"installed\\n")
        while libc.syscall(317 if platform.machine() == "x86_64" else 277, 1, 0, installed) == 0: os.write(1, b"installed\\n")
        time.sleep(1)
        os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: break
print("done")`,
    ...completed,
    stdout: /^done\n$/
  },
  {
    name: "all the contexts for asynchronous input of the machine",
    language: "python",
    code: `
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
made = 0
context = ctypes.c_ulong(0)
while libc.syscall(206 if platform.machine() == "x86_64" else 0, 64, ctypes.byref(context)) == 0:
    made += 1
    context = ctypes.c_ulong(0)
print(made, ctypes.get_errno())`,
    ...completed,
    stdout: /^0 38\n$/
  },
  {
    name: "all the terminals of the machine",
    language: "python",
    code: `
import os, resource
made = 0
try:
    for _ in range(24):
        if os.fork(): os.wait(); break
        while True: os.openpty(); made += 1
except OSError: pass
if made: print(made, flush=True)`,
    ...completed,
    also: ({ stdout }) => {
      const made = stdout.trim().split("\n").map(Number)
      assert.isAtMost(Math.max(...made), 64)
    }
  },
  {
    name: "timers, each a descriptor",
    language: "python",
    code: descriptors("libc.timerfd_create(1, 0)"),
    ...completed
  },
  {
    name: "queues of events, each a descriptor",
    language: "python",
    code: descriptors("libc.epoll_create1(0)"),
    ...completed
  },
  {
    name: "counters, each a descriptor",
    language: "python",
    code: descriptors("libc.eventfd(0, 0)"),
    ...completed
  },
  {
    name: "more descriptors than the limit was",
    language: "python",
    code: `
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
try: resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1)); print("raised")
except ValueError: print(soft == hard, hard <= 256)`,
    ...completed,
    stdout: /^True True\n$/
  },
  {
    name: "descriptors in flight, full of data",
    language: "python",
    code: untilRefused(
      "one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\none.setblocking(False)",
      `
inner = socket.socketpair()
for end in inner: end.setblocking(False)
for end in inner:
    try:
        while True: end.send(bytes(1 << 16))
    except BlockingIOError: pass
try: one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("ii", *[end.fileno() for end in inner]))])
except BlockingIOError:
    held.append((one, other))
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.setblocking(False)
for end in inner: end.close()`
    ),
    verdict: ["Completed", "MemoryLimitExceeded"],
    timeout: 10,
    within: 10
  },
  {
    name: "huge pages of a pool of the machine's",
    language: "python",
    code: `
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
taken = []
try: taken.append(mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)[0] == 0)
except OSError: pass
try:
    file = os.memfd_create("huge", 4)
    os.ftruncate(file, 2 << 20)
    taken.append(mmap.mmap(file, 2 << 20)[0] == 0)
except OSError: pass
if libc.shmget(0, 2 << 20, 0o4000 | 0o1600) >= 0: taken.append("shm")
print(taken)`,
    ...completed,
    stdout: /^\[\]\n$/
  },
  {
    name: "messages that wait in System V queues",
    language: "python",
    code: untilRefused(
      "",
      `
queue = libc.msgget(0, 0o1600)
if queue < 0: raise OSError(ctypes.get_errno(), "no more queues")
while libc.msgsnd(queue, struct.pack("l", 1) + bytes(8000), 8000, 0o4000) == 0: pass`
    ),
    verdict: ["Completed", "MemoryLimitExceeded", "CpuTimeLimitExceeded"],
    timeout: 10,
    within: 10
  },
  {
    name: "messages that wait in POSIX queues",
    language: "python",
    code: `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
queues = 0
attributes = (ctypes.c_long * 8)(0, 10, 8192)
while queues < 10000 and libc.mq_open(b"/q%d" % queues, 0o4102, 0o600, attributes) >= 0: queues += 1
print(queues < 20)`,
    ...completed,
    stdout: /^True\n$/
  },
  {
    name: "shared memory of System V that outlives its maker",
    language: "python",
    code: untilRefused(
      "libc.shmat.restype = ctypes.c_void_p",
      `
segment = libc.shmget(0, 8 << 20, 0o1600)
if segment < 0: raise OSError(ctypes.get_errno(), "no more segments")
if os.fork() == 0:
    ctypes.memset(libc.shmat(segment, None, 0), 1, 8 << 20)
    os._exit(0)
if os.wait()[1]: os._exit(1)`
    ),
    verdict: "MemoryLimitExceeded",
    timeout: 10,
    within: 8
  },
  {
    name: "signals that wait, and timers that send them",
    language: "python",
    code: `
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, {40})
timer = ctypes.c_void_p()
made = sent = 0
while libc.timer_create(1, None, ctypes.byref(timer)) == 0 and made < 50_000: made += 1
while libc.sigqueue(os.getpid(), 40, None) == 0: sent += 1
print("done", made, sent)`,
    verdict: ["Completed", "MemoryLimitExceeded"],
    timeout: 10
  },
  {
    name: "connections that have just ended",
    language: "python",
    code: `
import socket
listener = socket.create_server(("127.0.0.1", 0))
for _ in range(6000):
    one = socket.create_connection(listener.getsockname())
    listener.accept()[0].close()
    one.close()
waiting = open("/proc/net/sockstat").read().split(" tw ")[1].split()[0]
print(int(waiting) <= 1024)`,
    ...completed,
    stdout: /^True\n$/
  },
  {
    name: "locks on every other byte of many files",
    language: "python",
    code: untilRefused(
      "import fcntl",
      `
file = os.open(f"/tmp/{len(held)}", os.O_RDWR | os.O_CREAT)
held.append(file)
for byte in range(1000): fcntl.fcntl(file, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * byte, 1, 0))`
    ),
    ...killed
  },
  {
    name: "locks that nobody is seen to hold",
    language: "python",
    code: `
import ctypes, errno, fcntl, os, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
file = os.open("/tmp/locked", os.O_RDWR | os.O_CREAT)
for command in (36, 37, 38):
    try: fcntl.fcntl(file, command, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0)); print("locked")
    except OSError as error: print(errno.errorcode[error.errno])
pid = libc.syscall(56 if platform.machine() == "x86_64" else 220, 0x400 | 17, 0, 0, 0, 0)
if pid == 0: os._exit(0)
print(pid, errno.errorcode[ctypes.get_errno()])`,
    ...completed,
    stdout: /^EINVAL\nEINVAL\nEINVAL\n-1 EPERM\n$/
  },
  {
    name: "names of mappings",
    language: "python",
    code: `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.prctl(0x53564d41, 0, ctypes.c_void_p(0), ctypes.c_ulong(4096), b"name"), ctypes.get_errno())`,
    ...completed,
    stdout: /^-1 22\n$/
  },
  {
    name: "limits of another process",
    language: "python",
    code: `
import os, resource, time
child = os.fork()
if child == 0:
    time.sleep(2)
    os._exit(0)
print(resource.prlimit(child, resource.RLIMIT_NOFILE) == resource.getrlimit(resource.RLIMIT_NOFILE))
for pid in (child, os.getppid(), 1, os.getpid()):
    try: resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, 1)); print("set", pid)
    except PermissionError: pass
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
print("done")`,
    ...completed,
    stdout: /^True\ndone\n$/
  },
  {
    // All sandboxes and the machine read the same files of /usr.
    name: "what others read",
    language: "python",
    code: `
import ctypes, fcntl, os, signal
libc = ctypes.CDLL(None, use_errno=True)
watches = libc.inotify_init1(0)
for name, bit in ("read", 1), ("closed", 16), ("opened", 32), ("all", 0xfff):
    print(name, libc.inotify_add_watch(watches, b"/usr/bin", bit), ctypes.get_errno())
print("changed", libc.inotify_add_watch(watches, b"/usr/bin", 0xfff & ~0x31))
signal.signal(signal.SIGIO, signal.SIG_IGN)
try: fcntl.fcntl(os.open("/usr/bin", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS); print("told")
except OSError as error: print(error.errno)
print("merged", libc.madvise(None, 0, 12), ctypes.get_errno())`,
    ...completed,
    stdout: /^read -1 1\nclosed -1 1\nopened -1 1\nall -1 1\nchanged 1\n22\nmerged -1 22\n$/
  },
  {
    // No descriptor has this number: who asks the kernel is told so.
    name: "the machine's disk and its cache",
    language: "python",
    code: `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.sync()
btrfs_sync = 0x9408
print(libc.ioctl(os.open("/usr/bin", os.O_RDONLY), btrfs_sync), ctypes.get_errno())
print(libc.fsync(987), libc.fdatasync(987), libc.syncfs(987), libc.posix_fadvise(987, 0, 0, 4))
print(libc.msync(ctypes.c_void_p(1), 1, 4), libc.msync(ctypes.c_void_p(1), 1, 1))`,
    ...completed,
    stdout: /^-1 25\n0 0 0 0\n0 -1\n$/
  },
  {
    // Each has the kernel start the machine's modprobe, as root, and it may load code with holes that nobody else uses.
    name: "modules of the machine's kernel",
    language: "python",
    code: `
import fcntl, os, socket
def attempt(name, once):
    try: once(); print(name, "done")
    except OSError as error: print(name, error.errno)
attempt("rdm", lambda: socket.socket(socket.AF_INET, socket.SOCK_RDM, 0))
attempt("seqpacket", lambda: socket.socket(socket.AF_INET6, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC, 0))
attempt("mixed", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP))
terminal, own = os.openpty()
attempt("discipline", lambda: fcntl.ioctl(own, 0x5423, bytes(4)))
stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
for request in (0x8940, 0x8941, 0x89a0, 0x89a1, 0x8982, 0x8983):
    attempt(hex(request), lambda: fcntl.ioctl(stream, request, bytes(64)))`,
    ...completed,
    stdout:
      /^rdm 93\nseqpacket 93\nmixed 93\ndiscipline 1\n0x8940 1\n0x8941 1\n0x89a0 1\n0x89a1 1\n0x8982 1\n0x8983 1\n$/
  },
  {
    name: "facts about the host",
    language: "bash",
    code: `
for file in cmdline config.gz modules kallsyms diskstats partitions swaps interrupts keys key-users; do
  [ -e /proc/$file ] && [ -n "$(head -c 100 /proc/$file 2> /dev/null | tr -d '\\0')" ] && echo "saw $file"
done
grep -E 'bulkhead|/run/' /proc/self/mountinfo
echo done`,
    ...completed,
    stdout: /^done\n$/
  }
]
