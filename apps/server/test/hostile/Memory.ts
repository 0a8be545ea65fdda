import { assert } from "@effect/vitest"
import { type HostileProgram, limits } from "./HostileProgram.js"

const exceeded = { verdict: "MemoryLimitExceeded", within: 8, timeout: 10 } as const

const peaked: HostileProgram["also"] = ({ metrics }) =>
  assert.closeTo(metrics.peakMemoryMB ?? 0, limits.memoryMB, limits.memoryMB / 4)

export const memory: ReadonlyArray<HostileProgram> = [
  {
    name: "a memory bomb",
    language: "python",
    code: "hoard = []\nwhile True: hoard.append(bytearray(b'x') * 4_000_000)",
    ...exceeded,
    signal: "SIGKILL",
    also: peaked
  },
  {
    name: "a memory bomb of many small things",
    language: "javascript",
    code: "const hoard = []\nfor (;;) hoard.push(Buffer.alloc(2 ** 20, 1))",
    ...exceeded
  },
  {
    name: "a memory bomb that is quick",
    language: "python",
    code: "x = b'x' * 2_000_000_000\nprint(len(x))",
    ...exceeded,
    signal: "SIGKILL"
  },
  {
    name: "a memory bomb in a child whose end the parent passes on",
    language: "python",
    code: `
import subprocess, sys
child = subprocess.run([sys.executable, "-c", "x = b'x' * 1_000_000_000"])
print("child", child.returncode, flush=True)
sys.exit(1)`,
    ...exceeded,
    exitCode: 1,
    stdout: /^child -9\n$/
  },
  {
    name: "a memory bomb by many children",
    language: "python",
    code: `
import os, time
for _ in range(24):
    if os.fork() == 0:
        x = b"x" * 20_000_000
        time.sleep(600)
while True:
    pid, status = os.wait()
    if status: os._exit(1)`,
    ...exceeded
  },
  {
    name: "an allocation that never touches its pages",
    language: "python",
    code: "import mmap\nx = mmap.mmap(-1, 8 << 30)\nx[0] = 1\nprint('done')",
    verdict: "Completed",
    stdout: /^done\n$/,
    also: ({ metrics }) => assert.isBelow(metrics.peakMemoryMB ?? 0, 40)
  },
  {
    name: "memory behind no process: files that lie in memory",
    language: "python",
    code: `
import os
while True:
    file = os.memfd_create("hoard")
    for _ in range(30): os.write(file, bytes(1 << 20))`,
    ...exceeded
  },
  {
    name: "memory behind no process, by a program that looks smaller than its guards",
    language: "bash",
    code: `
for score in {0..-1000..-10}; do echo $score > /proc/self/oom_score_adj || break; done
for i in {1..20}; do (while :; do :; done | cat /dev/zero > /tmp/$i) & done 2> /dev/null
cat /dev/zero > /dev/shm/x
cat /dev/zero > $HOME/x
cat /dev/zero > /tmp/x
exit 1`,
    verdict: ["MemoryLimitExceeded", "DiskLimitExceeded", "ProcessLimitExceeded"],
    timeout: 10,
    within: 8
  },
  {
    name: "memory shared by files in /tmp that are mapped",
    language: "python",
    code: `
import mmap, os
file = os.open("/tmp/hoard", os.O_RDWR | os.O_CREAT)
for size in range(1, 64):
    os.ftruncate(file, size << 20)
    page = mmap.mmap(file, size << 20)
    page[:] = b"x" * (size << 20)
    page.close()
print("never", os.fstat(file).st_blocks)`,
    verdict: ["DiskLimitExceeded", "MemoryLimitExceeded"],
    within: 8,
    timeout: 10
  },
  {
    name: "the guards offered to the killer in its place",
    language: "python",
    code: `
import os, time
for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) == os.getpid(): continue
    for file in ("oom_score_adj", "oom_adj"):
        try:
            with open(f"/proc/{name}/{file}", "w") as handle: handle.write("1000" if file == "oom_score_adj" else "15")
            print("offered", name, flush=True)
        except OSError: pass
try:
    for score in range(1000, -1001, -10):
        with open("/proc/self/oom_score_adj", "w") as handle: handle.write(str(score))
except OSError: pass
while True:
    file = os.memfd_create("hoard")
    for _ in range(30): os.write(file, bytes(1 << 20))`,
    ...exceeded,
    stdout: /^$/
  },
  {
    name: "memory behind sockets",
    language: "python",
    code: `
import socket
pairs = []
try:
    while True:
        pairs.append(socket.socketpair())
        for end in pairs[-1]:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            try:
                while True: end.send(b"x" * 65536)
            except BlockingIOError: pass
except OSError: print("refused")`,
    verdict: ["Completed", "MemoryLimitExceeded"],
    timeout: 10,
    within: 8
  }
]
