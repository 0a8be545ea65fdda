import assert from "node:assert/strict"
import { type HostileProgram, limits } from "./HostileProgram.js"

/** The limit took processes of the program, and said so. */
const counted: HostileProgram["also"] = ({ error, receipt }) => {
  assert.ok((receipt?.oomKills ?? 0) > 0, "the limit killed nobody")
  assert.equal(error?.message, `The program needed more than ${limits.memoryMB} MB of memory`)
}

const exceeded = { verdict: "MemoryLimitExceeded", within: 8, timeout: 10, also: counted } as const

/** As little as a process can weigh for the kernel, and as hard to take as it may make itself. */
const unattractive = `
def shield():
    for score in range(1000, -1001, -10):
        try:
            with open("/proc/self/oom_score_adj", "w") as file: file.write(str(score))
        except OSError: break
    with open("/proc/self/oom_score_adj") as file: return int(file.read())`

/**
 * Files of no process, each as large as a file may be; and a program of one page that goes on to fill one, for two
 * kinds of processors: `for (;;) write(200, 0x400000, 4096)`.
 */
const hide = (megabytes: number) => `
import platform, struct
def file_away(megabytes):
    for size in [30] * (megabytes // 30) + [megabytes % 30]:
        hoard = os.memfd_create("hoard", 0)
        for _ in range(size): os.write(hoard, bytes(1 << 20))
def become_tiny():
    x64 = platform.machine() == "x86_64"
    code = bytes.fromhex("b801000000bfc8000000be00004000ba001000000f05ebe8" if x64
        else "080880d2001980d20108a0d2020082d2010000d4fbffff17")
    size = 120 + len(code)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\\x7fELF\\2\\1\\1", 2, 62 if x64 else 183, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096)
    with open("tiny", "wb") as file: file.write(head + code)
    os.chmod("tiny", 0o755)
    os.dup2(os.memfd_create("hoard"), 200)
    os.execv("tiny", ["tiny"])
file_away(${megabytes})`

/** Ten shapes and more: whatever the program does, the kernel takes it and never its keepers. */
export const ooms: ReadonlyArray<HostileProgram> = [
  {
    name: "memory in a file of no process, by a program that becomes tiny",
    language: "python",
    code: `
import os${unattractive}
shield()${hide(105)}
become_tiny()`,
    ...exceeded,
    signal: "SIGKILL"
  },
  {
    name: "memory in pipes, by a program that becomes tiny",
    language: "python",
    code: `
import fcntl, os${unattractive}
shield()
try:
    while True:
        ends = os.pipe()
        for end in ends: os.set_inheritable(end, True)
        fcntl.fcntl(ends[1], 1031, 1 << 20)
        os.set_blocking(ends[1], False)
        os.write(ends[1], bytes(1 << 20))
except OSError: pass
${hide(60)}
become_tiny()`,
    ...exceeded,
    signal: "SIGKILL"
  },
  {
    name: "memory in System V segments, which outlive their maker",
    language: "python",
    code: `
import ctypes, os${unattractive}
shield()
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
print("begun", flush=True)
while True:
    at = libc.shmat(libc.shmget(0, 8 << 20, 0o1600), None, 0)
    ctypes.memset(at, 1, 8 << 20)
    libc.shmdt(ctypes.c_void_p(at))`,
    ...exceeded,
    stdout: /^begun\n$/
  },
  {
    name: "memory in tmpfs and the rest in the program",
    language: "bash",
    code: "head -c 25000000 /dev/zero > /dev/shm/x; echo begun; head -c 200000000 /dev/zero | tail -c 200000000",
    ...exceeded,
    stdout: /^begun\n$/
  },
  {
    name: "a tree of children in sessions of their own, below a parent that waits for ever",
    language: "python",
    code: `
import os, time
print("begun", flush=True)
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: hoard = b"x" * 40_000_000
        time.sleep(600)
time.sleep(600)`,
    ...exceeded,
    timeout: 2,
    stdout: /^begun\n$/
  },
  {
    name: "a pool whose worker the limit kills, and that waits for it for ever",
    language: "python",
    code: `
import multiprocessing
def work(size): return len(b"x" * size)
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(work, [1000, 2000]), flush=True)
        print(pool.map(work, [1_000_000_000]), flush=True)`,
    ...exceeded,
    timeout: 3,
    stdout: /^\[1000, 2000\]\n$/
  },
  {
    name: "huge pages",
    language: "python",
    code: `
import mmap
hoard = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
hoard.madvise(14)
for at in range(0, 1 << 30, 4096): hoard[at] = 1`,
    ...exceeded,
    signal: "SIGKILL"
  },
  {
    name: "a stack that grows without end",
    language: "bash",
    code: "ulimit -s unlimited; exec node --stack-size=900000 -e 'const deeper = (a, b, c) => deeper(c, a, b) + 1; deeper(1, 2, 3)'",
    ...exceeded,
    signal: "SIGKILL"
  },
  {
    name: "a fork bomb of allocators",
    language: "python",
    code: `
import os, time
for _ in range(4): os.fork()
hoard = []
while True:
    hoard.append(bytearray(b"x") * (1 << 20))
    time.sleep(0.001)`,
    ...exceeded
  },
  {
    name: "a child that offers itself, again and again, for a parent that hoards",
    language: "python",
    code: `
import os, signal${unattractive}
def offer():
    with open("/proc/self/oom_score_adj", "w") as file: file.write("1000")
    while True: os.pipe()
for _ in range(5):
    if os.fork() == 0:
        try: offer()
        except OSError: signal.pause()
print("shielded", shield() >= 0, flush=True)
hoard = []
while True: hoard.append(bytearray(b"x") * (1 << 20))`,
    ...exceeded,
    stdout: /^shielded True\n$/
  },
  {
    name: "a score below that of the machine's own processes, which it cannot have",
    language: "python",
    code: `
import os${unattractive}
print("below", shield() < 0, flush=True)${hide(105)}
become_tiny()`,
    ...exceeded,
    stdout: /^below False\n$/
  },
  {
    name: "memory shared by many children, each of them tiny",
    language: "python",
    code: `
import mmap, os, time
shared = mmap.mmap(-1, 1 << 30)
for child in range(16):
    if os.fork() == 0:
        for at in range(child * (64 << 20), (child + 1) * (64 << 20), 4096): shared[at] = 1
        time.sleep(600)
for _ in range(16): os.wait()
os._exit(1)`,
    ...exceeded
  },
  {
    name: "buffers of sockets that no process reads",
    language: "python",
    code: `
import os, socket${unattractive}
shield()
# One process may not open enough.
for _ in range(3):
    if os.fork() == 0: break
held = []
try:
    while True:
        held.append(socket.socketpair())
        for end in held[-1]:
            end.setblocking(False)
            try:
                while True: end.send(b"x" * 65536)
            except BlockingIOError: pass
except OSError: del held[-8:]
${hide(105)}
become_tiny()`,
    ...exceeded
  },
  {
    name: "a worker that the limit killed, in a program that goes on",
    language: "python",
    code: `
import subprocess, sys
child = subprocess.run([sys.executable, "-c", "x = b'x' * 1_000_000_000"])
print("child", child.returncode)`,
    verdict: "Completed",
    stdout: /^child -9\n$/,
    within: 8,
    also: ({ receipt }) => assert.equal(receipt?.oomKills, 1)
  }
]
