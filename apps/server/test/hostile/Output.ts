import { assert } from "@effect/vitest"
import { type HostileProgram, limits } from "./HostileProgram.js"

const flooded = {
  verdict: "OutputLimitExceeded",
  timeout: 10,
  within: 8,
  also: ({ output, stderr, stdout }) => {
    assert.isAbove(output.stdoutBytes + output.stderrBytes, limits.hardOutputBytes)
    assert.isTrue(output.truncated)
    for (const text of [stdout, stderr]) assert.isAtMost(text.length, limits.keptBytes + 1024)
  }
} satisfies Partial<HostileProgram>

/** Floods that the server's own memory is watched under, too. */
export const floods: ReadonlyArray<HostileProgram> = [
  { name: "a flood of stdout", language: "bash", code: "yes", ...flooded, stdout: /^y\ny\n/ },
  { name: "a flood of stderr", language: "bash", code: "yes >&2", ...flooded, stderr: /^y\ny\n/ },
  { name: "a flood of both at once", language: "bash", code: "yes out & yes err >&2", ...flooded },
  {
    name: "one line of 200 MB",
    language: "python",
    code: "import os\nfor _ in range(200): os.write(1, b'x' * 1_000_000)",
    ...flooded
  },
  {
    name: "a flood that does not end at SIGTERM",
    language: "bash",
    code: "trap '' TERM; while :; do cat /dev/zero; done",
    ...flooded,
    signals: ["SIGTERM", "SIGKILL"]
  },
  {
    name: "a flood from javascript",
    language: "javascript",
    code: "const { writeSync } = require('node:fs')\nfor (;;) try { writeSync(1, 'é'.repeat(100_000)) } catch {}",
    ...flooded
  }
]

export const output: ReadonlyArray<HostileProgram> = [
  ...floods,
  {
    name: "bytes that are no UTF-8",
    language: "python",
    code: "import os\nfor _ in range(20): os.write(1, b'\\xff\\xc3\\xe2\\x82' * 25_000)",
    verdict: "Completed",
    also: ({ output }) => assert.deepInclude(output, { stdoutBytes: 2_000_000, truncated: true })
  },
  {
    name: "NUL bytes",
    language: "python",
    code: "import os\nos.write(1, bytes(60_000)); os.write(2, bytes(10))",
    verdict: "Completed",
    also: ({ output, stdout }) => {
      assert.deepStrictEqual(output, { stdoutBytes: 60_000, stderrBytes: 10, truncated: false })
      assert.strictEqual(stdout, "\0".repeat(60_000))
    }
  },
  {
    name: "a flood that begins at SIGTERM",
    language: "python",
    code: `
import os, signal, time
def flood(*_):
    while True: os.write(1, b"x" * 65536)
signal.signal(signal.SIGTERM, flood)
print("begun", flush=True)
while True: time.sleep(600)`,
    verdict: "TimeLimitExceeded",
    timeout: 1.5,
    signals: ["SIGTERM", "SIGKILL"],
    stdout: /^begun\n/
  },
  {
    name: "a flood from a child after the parent has ended",
    language: "python",
    code: `
import os
if os.fork() == 0:
    os.setsid()
    while True: os.write(1, b"x" * 65536)
print("parent", flush=True)
os._exit(0)`,
    verdict: ["Completed", "OutputLimitExceeded"],
    leftRunning: 1,
    within: 3
  },
  {
    name: "closing both streams and going on",
    language: "bash",
    code: "echo begun; exec >&- 2>&-; sleep 0.3; exit 3",
    verdict: "NonZeroExit",
    exitCode: 3,
    stdout: /^begun\n$/
  },
  {
    name: "closing all there is and staying",
    language: "python",
    code: "import os, time\nprint('begun', flush=True)\nos.closerange(0, 65536)\ntime.sleep(600)",
    verdict: "TimeLimitExceeded",
    timeout: 1.5,
    stdout: /^begun\n$/
  },
  {
    name: "writing to every descriptor it was given",
    language: "python",
    code: `
import os
for number in range(3, 256):
    try:
        os.write(number, b"hello")
        print("wrote to", number)
    except OSError: pass
try: os.write(0, b"hello"); print("wrote to 0")
except OSError: pass
print("done")`,
    verdict: "Completed",
    stdout: /^done\n$/
  },
  {
    name: "30 MB of output and success",
    language: "python",
    code: `
import os
os.write(1, b"the head\\n")
for _ in range(30): os.write(1, b"." * 1_000_000)
os.write(1, b"\\nthe tail\\n")`,
    verdict: "Completed",
    timeout: 10,
    within: 8,
    stdout: /^the head\n\.+\n\[\d+ bytes left out\]\n\.+\nthe tail\n$/,
    also: ({ output, stdout }) => {
      assert.deepStrictEqual(output, { stdoutBytes: 30_000_019, stderrBytes: 0, truncated: true })
      const [, left] = /\[(\d+) bytes left out\]/.exec(stdout) ?? []
      assert.strictEqual(stdout.replace(/\n\[\d+ bytes left out\]\n/, "").length + Number(left), 30_000_019)
    }
  },
  {
    name: "one byte at a time",
    language: "python",
    code: "import os\nfor _ in range(100_000): os.write(1, b'x')",
    verdict: "Completed",
    within: 6,
    also: ({ output }) => assert.strictEqual(output.stdoutBytes, 100_000)
  },
  {
    name: "reading away what it has itself written",
    language: "python",
    code: `
import os, threading, time
def steal():
    thief = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
    while True:
        try: os.read(thief, 65536)
        except OSError: pass
try: threading.Thread(target=steal, daemon=True).start()
except OSError: pass
end = time.monotonic() + 1
for _ in range(100_000):
    if time.monotonic() > end: break
    os.write(1, b"x" * 100)
os._exit(0)`,
    verdict: "Completed"
  },
  {
    name: "streams opened anew by their names",
    language: "bash",
    code: "echo out > /dev/stdout; echo err > /dev/stderr; echo both | tee /dev/stderr",
    verdict: "Completed",
    stdout: /^out\nboth\n$/,
    stderr: /^err\nboth\n$/
  },
  {
    name: "streams that it makes non-blocking and small",
    language: "python",
    code: `
import fcntl, os
fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)
fcntl.fcntl(1, 1031, 4096)
total = 0
while total < 1_000_000:
    try: total += os.write(1, b"x" * 10_000)
    except BlockingIOError: pass
os._exit(0)`,
    verdict: "Completed",
    also: ({ output }) => assert.isAtLeast(output.stdoutBytes, 1_000_000)
  }
]
