import { assert } from "@effect/vitest"
import type { HostileProgram } from "./HostileProgram.js"

export const clock: ReadonlyArray<HostileProgram> = [
  {
    name: "an attempt to set the clock",
    language: "python",
    code: `
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
def refused(call):
    try: return call() == -1
    except OSError: return True
print(all([
    refused(lambda: time.clock_settime(time.CLOCK_REALTIME, 0)),
    refused(lambda: libc.settimeofday(ctypes.c_char_p(bytes(16)), None)),
    refused(lambda: libc.adjtimex(ctypes.c_char_p(b"\\1" + bytes(300)))),
    refused(lambda: libc.stime(ctypes.c_char_p(bytes(8))) if hasattr(libc, "stime") else -1),
    refused(lambda: os.unshare(0x80) if hasattr(os, "unshare") else libc.unshare(0x80)),
]), time.time() > 1e9)`,
    verdict: "Completed",
    stdout: /^True True\n$/
  },
  {
    name: "another time zone and locale",
    language: "python",
    code: "import time\ntime.tzset()\nprint('begun', flush=True)\nwhile True: time.sleep(600)",
    env: {
      TZ: "Pacific/Kiritimati",
      LC_ALL: "ar_EG.UTF-8",
      LANG: "tr_TR",
      PYTHONUTF8: "0",
      LC_NUMERIC: "de_DE"
    },
    timeout: 1.5,
    verdict: "TimeLimitExceeded",
    stdout: /^begun\n$/,
    also: ({ metrics, receipt }) => {
      assert.closeTo(metrics.executionTimeMs ?? 0, 1500, 400)
      assert.closeTo(receipt?.signals[0]?.atMs ?? 0, 1500, 400)
    }
  },
  {
    name: "a time zone file that never ends",
    language: "bash",
    code: "date > /dev/null; sleep 600",
    env: { TZ: "/dev/zero", LANG: "../../../../dev/zero" },
    timeout: 1.5,
    verdict: ["TimeLimitExceeded", "MemoryLimitExceeded"]
  },
  {
    name: "a sleep with all signals blocked",
    language: "python",
    code: "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(600)",
    timeout: 1.5,
    verdict: "TimeLimitExceeded",
    signal: "SIGKILL",
    signals: ["SIGTERM", "SIGKILL"],
    also: ({ receipt }) => assert.closeTo(receipt?.signals[1]?.atMs ?? 0, 2500, 500)
  }
]
