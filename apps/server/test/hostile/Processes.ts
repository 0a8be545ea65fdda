import { assert } from "@effect/vitest"
import { type HostileProgram, limits } from "./HostileProgram.js"

const timedOut = { verdict: "TimeLimitExceeded", timeout: 1.5 } as const

/** No program may put off its end. */
const onTime: HostileProgram["also"] = ({ metrics }) =>
  assert.closeTo(metrics.executionTimeMs ?? 0, 1500 + 1000 * limits.graceSeconds, 900)

export const processes: ReadonlyArray<HostileProgram> = [
  {
    name: "a fork bomb in bash",
    language: "bash",
    code: ":(){ :|:& }; :; while :; do sleep 0.1; done",
    verdict: "ProcessLimitExceeded"
  },
  {
    name: "a fork bomb in python that dies of it",
    language: "python",
    code: "import os\nwhile True: os.fork()",
    verdict: "ProcessLimitExceeded"
  },
  {
    name: "a fork bomb that copes and ignores SIGTERM",
    language: "python",
    code: `
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)`,
    verdict: "ProcessLimitExceeded",
    signals: ["SIGKILL"]
  },
  {
    name: "a thread bomb",
    language: "python",
    code: `
import threading, time
while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()`,
    verdict: "ProcessLimitExceeded"
  },
  {
    name: "a bomb of programs in javascript",
    language: "javascript",
    code: "const { spawn } = require('node:child_process')\nsetInterval(() => spawn('sleep', ['600']).on('error', () => {}), 1)",
    verdict: "ProcessLimitExceeded"
  },
  {
    name: "a daemon in a session of its own",
    language: "bash",
    code: "setsid sleep 600 >/dev/null 2>&1 & echo parent",
    verdict: "Completed",
    stdout: /^parent\n$/,
    leftRunning: 1
  },
  {
    name: "a daemon by double fork that ignores all signals",
    language: "python",
    code: `
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.closerange(0, 3)
        while True: time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(0.3)`,
    verdict: "Completed",
    leftRunning: 1
  },
  {
    name: "a daemon that holds stdout open after its parent ended",
    language: "bash",
    code: "(trap '' TERM HUP; sleep 600) & echo parent",
    verdict: "Completed",
    stdout: /^parent\n$/,
    leftRunning: 1,
    within: 2
  },
  {
    name: "a daemon whose name reads like the state of a zombie",
    language: "python",
    code: `
import ctypes, os, time
if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).prctl(15, b"a) Z 1 2", 0, 0, 0)
    os.closerange(0, 3)
    time.sleep(600)
time.sleep(0.3)`,
    verdict: "Completed",
    leftRunning: 1
  },
  {
    name: "a daemon whose first thread has ended",
    language: "python",
    code: `
import ctypes, os, platform, threading, time
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    threading.Thread(target=time.sleep, args=(600,)).start()
    ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
time.sleep(0.3)`,
    verdict: "Completed",
    leftRunning: 1
  },
  {
    name: "a daemon without an environment, under another name",
    language: "bash",
    code: "setsid env -i bash -c 'exec -a kworker sleep 600' >/dev/null 2>&1 & sleep 0.2",
    verdict: "Completed",
    leftRunning: 1
  },
  {
    name: "a chain of processes that each outlive their parent",
    language: "python",
    code: `
import os, time
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            if os.fork(): os._exit(0)
        except OSError: pass
time.sleep(0.3)`,
    verdict: ["Completed", "ProcessLimitExceeded"],
    within: 6
  },
  {
    name: "a reaper of its own for what it leaves behind",
    language: "python",
    code: `
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
for _ in range(10):
    if os.fork() == 0:
        if os.fork() == 0: time.sleep(600)
        os._exit(0)
time.sleep(0.3)`,
    verdict: "Completed",
    leftRunning: 10
  },
  {
    name: "a maker of zombies",
    language: "python",
    code: `
import os, time
for _ in range(25):
    if os.fork() == 0: os._exit(0)
time.sleep(0.5)
print("done")`,
    verdict: "Completed",
    stdout: /done/,
    also: ({ receipt }) => assert.strictEqual(receipt?.leftRunning, 0)
  },
  {
    name: "an ignorer of SIGTERM",
    language: "bash",
    code: "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done",
    ...timedOut,
    signal: "SIGKILL",
    signals: ["SIGTERM", "SIGKILL"],
    stdout: /begun/
  },
  {
    name: "a family of ignorers of SIGTERM in sessions of their own",
    language: "python",
    code: `
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0: os.setsid()
while True: time.sleep(600)`,
    ...timedOut,
    signal: "SIGKILL",
    signals: ["SIGTERM", "SIGKILL"],
    leftRunning: 0
  },
  {
    name: "births at SIGTERM",
    language: "python",
    code: `
import os, signal, time
def multiply(*_):
    for _ in range(3):
        if os.fork() == 0: os.setsid()
signal.signal(signal.SIGTERM, multiply)
while True: time.sleep(600)`,
    verdict: ["TimeLimitExceeded", "ProcessLimitExceeded"],
    timeout: 1.5
  },
  {
    name: "a program that stops itself",
    language: "bash",
    code: "echo begun; kill -STOP $$; echo never",
    ...timedOut,
    stdout: /^begun\n$/
  },
  {
    name: "a child that stops the program",
    language: "python",
    code: `
import os, signal, time
if os.fork() == 0:
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(600)
time.sleep(600)`,
    ...timedOut
  },
  {
    name: "a program whose first thread ends",
    language: "python",
    code: `
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)`,
    ...timedOut
  },
  {
    name: "an attempt to stop its parent, the supervisor and whatever else there is",
    language: "python",
    code: `
import os, signal
refused = []
for pid in [1, os.getppid()] + [int(name) for name in os.listdir("/proc") if name.isdigit()]:
    if pid == os.getpid(): continue
    try:
        os.kill(pid, signal.SIGSTOP)
        print("stopped", pid)
    except (PermissionError, ProcessLookupError): refused.append(pid)
print("refused", len(refused) >= 3)`,
    verdict: "Completed",
    stdout: /^refused True\n$/
  },
  {
    name: "kill -9 -1",
    language: "bash",
    code: "sleep 600 & kill -9 -1; echo alive",
    verdict: "Completed",
    stdout: /^alive\n$/
  },
  {
    name: "kill -9 of process 1 and of every other number",
    language: "python",
    code: `
import os, signal
for pid in range(1, 65536):
    if pid == os.getpid(): continue
    try:
        os.kill(pid, signal.SIGKILL)
        print("killed", pid)
    except (PermissionError, ProcessLookupError): pass
print("alive")`,
    verdict: "Completed",
    stdout: /^alive\n$/
  },
  {
    name: "a storm of SIGKILL on whoever would end it",
    language: "python",
    code: `
import os, signal
for number in (signal.SIGTERM, signal.SIGXCPU): signal.signal(number, signal.SIG_IGN)
while True:
    try: os.kill(-1, signal.SIGKILL)
    except OSError: pass`,
    ...timedOut,
    signals: ["SIGTERM", "SIGKILL"],
    also: onTime
  },
  {
    name: "a storm of SIGSTOP on whoever would end it",
    language: "python",
    code: `
import os, signal
for number in (signal.SIGTERM, signal.SIGXCPU): signal.signal(number, signal.SIG_IGN)
while True:
    try: os.kill(-1, signal.SIGSTOP)
    except OSError: pass`,
    ...timedOut,
    signals: ["SIGTERM", "SIGKILL"],
    also: onTime
  },
  {
    name: "a busy loop on many processes",
    language: "bash",
    code: "for i in {1..8}; do while :; do :; done & done; wait",
    verdict: "CpuTimeLimitExceeded",
    timeout: 30,
    within: 32,
    also: ({ metrics }) => assert.isAtLeast(metrics.cpuTimeMs ?? 0, 900 * limits.cpuSeconds)
  },
  {
    name: "a busy loop on many threads",
    language: "javascript",
    code: `
const { Worker, isMainThread } = require("node:worker_threads")
if (isMainThread) for (let i = 0; i < 3; i++) new Worker(__filename)
for (;;);`,
    verdict: "CpuTimeLimitExceeded",
    timeout: 30,
    within: 32
  },
  {
    name: "a busy loop that ignores SIGXCPU and SIGTERM",
    language: "python",
    code: `
import signal
for number in (signal.SIGXCPU, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
while True: pass`,
    verdict: "CpuTimeLimitExceeded",
    signal: "SIGKILL",
    signals: ["SIGTERM", "SIGKILL"],
    timeout: 30,
    within: 32
  },
  {
    name: "CPU time spread over children that end",
    language: "bash",
    code: "while :; do (for ((i = 0; i < 20000; i++)); do :; done); done",
    verdict: "CpuTimeLimitExceeded",
    timeout: 30,
    within: 32
  },
  {
    name: "a storm of alarms",
    language: "python",
    code: `
import signal, time
count = 0
def ring(*_):
    global count
    count += 1
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
end = time.monotonic() + 1
while time.monotonic() < end: pass
signal.setitimer(signal.ITIMER_REAL, 0)
print(count > 10)`,
    verdict: "Completed",
    stdout: /^True\n$/
  },
  {
    name: "priorities",
    language: "python",
    code: `
import os, resource
def refused(call):
    try: call()
    except (OSError, ValueError): return True
print(all([
    refused(lambda: os.nice(-20)),
    refused(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))),
    refused(lambda: os.setpriority(os.PRIO_USER, 0, 19) if os.getuid() == 0 else os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)),
    refused(lambda: resource.setrlimit(resource.RLIMIT_CPU, (9999, 9999))),
    refused(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))),
]), flush=True)
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
os.nice(19)
while True: pass`,
    ...timedOut,
    stdout: /^True\n$/
  },
  {
    name: "all the file descriptors there are",
    language: "python",
    code: `
import os
held = []
try:
    while True: held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error: print(error.strerror)`,
    verdict: "Completed",
    stdout: /Too many open files/
  },
  {
    name: "all the pipes there are, each as large as can be",
    language: "python",
    code: `
import fcntl, os
pipes = []
try:
    while True:
        pipes.append(os.pipe2(os.O_NONBLOCK))
        fcntl.fcntl(pipes[-1][1], 1031, 1 << 20)
        os.write(pipes[-1][1], bytes(1 << 20))
except OSError as error: print("refused", flush=True)`,
    verdict: ["Completed", "MemoryLimitExceeded"]
  },
  {
    name: "a huge command line and environment",
    language: "python",
    code: `
import os
for size in (100_000, 130_000, 3_000_000):
    pid = os.fork()
    if pid == 0:
        try: os.execve("/bin/true", ["true"] + ["x" * 1000] * (size // 1000), {f"A{i}": "y" * 1000 for i in range(size // 1000)})
        except OSError as error: os._exit(error.errno)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`,
    verdict: "Completed",
    stdout: /^0\n0\n7\n$/
  },
  {
    name: "a program that becomes itself again and again",
    language: "bash",
    code: "exec bash main.sh",
    verdict: ["TimeLimitExceeded", "CpuTimeLimitExceeded"],
    timeout: 1.5
  }
]
