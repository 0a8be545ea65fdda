import assert from "node:assert/strict"
import type { ExecutionResult } from "@bulkhead/domain"
import type { HostileProgram } from "./HostileProgram.js"

/** How a process hands its life on to the next. */
export type Hop = "fork" | "sibling" | "thread"

const born: Record<Hop, string> = {
  fork: "if libc.fork() > 0: os._exit(0)",
  // A clone whose parent is not who made it, but that one's own parent.
  sibling:
    "if libc.syscall(56 if platform.machine() == 'x86_64' else 220, 0x8000 | 17, 0, 0, 0, 0) > 0: os._exit(0)",
  thread: "_thread.start_new_thread(go_on, (out,)); time.sleep(600)"
}

/**
 * Leaves behind a process that is born, gives birth (again, where it was refused) and dies, over and over, and that writes how long the program has
 * lived by then as the size of a file among the artifacts. `pause` in microseconds between two births.
 */
export const hopping = (hop: Hop, pause: number, many = 1, ending = "time.sleep(0.3)") => `
import ctypes, os, platform, signal, _thread, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
libc = ctypes.PyDLL(None)
with open("/proc/self/stat") as file: ticks = int(file.read().rsplit(")", 1)[1].split()[19])
began = ticks / os.sysconf("SC_CLK_TCK")
def age(): return int(1000 * (time.clock_gettime(time.CLOCK_BOOTTIME) - began))
def go_on(out):
    if libc.fork() > 0: os._exit(0)
    live(out)
def live(out):
    while True:
        os.pwrite(out, b"x" * age(), 0)
        end = time.monotonic() + ${pause} / 1e6
        while time.monotonic() < end: pass
        ${born[hop]}
for number in range(${many}):
    if os.fork() == 0:
        os.setsid()
        live(os.open(f"output/{number}.txt", os.O_CREAT | os.O_WRONLY))
${ending}`

/**
 * The same in a program of one page, which hops faster than any interpreter: it forks, its parent exits, and it makes
 * a file as large as the milliseconds that have gone by. `turns` of a loop between two births.
 */
export const hoppingFast = (turns: number) => `
import os, platform, struct, time
if platform.machine() != "x86_64":
    exec(${JSON.stringify(hopping("fork", 0))})
    os._exit(0)
with open("/proc/self/stat") as file: ticks = int(file.read().rsplit(")", 1)[1].split()[19])
began = 1000 * ticks // os.sysconf("SC_CLK_TCK")
code = bytes.fromhex("b8390000000f05" "85c0" "78f5" "7409" "b83c000000" "31ff" "0f05") # fork until born, exit(0)
code += bytes.fromhex("488d7424e0" "bf07000000" "b8e4000000" "0f05") # clock_gettime(CLOCK_BOOTTIME, ...)
code += bytes.fromhex("488b4424e8" "31d2" "b940420f00" "48f7f1" "48697424e0e8030000" "4801c6") # in milliseconds
code += bytes.fromhex("48b9") + struct.pack("<Q", began) + bytes.fromhex("4829ce") # since the program's start
code += bytes.fromhex("4889f2" "be00104000" "4531d2" "bfc8000000" "b812000000" "0f05") # pwrite(200, xxx..., those, 0)
code += bytes.fromhex("b9") + struct.pack("<I", ${turns + 1}) + bytes.fromhex("ffc9" "75fc") # a pause
code += bytes.fromhex("e9") + struct.pack("<i", -len(code) - 5) # again
size = 8192
head = struct.pack("<16sHHIQQQIHHHHHH", b"\\x7fELF\\2\\1\\1", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
head += struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096)
with open("hop", "wb") as file: file.write((head + code).ljust(4096, b"\\0") + b"x" * 4096)
os.chmod("hop", 0o755)
os.dup2(os.open("output/hop.txt", os.O_CREAT | os.O_RDWR), 200)
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 200)
    os.execv("hop", ["hop"])
time.sleep(0.2)`

/** One that has run into its limit of processes, of which the dead are some until they are reaped, may be gone. */
const wasSeen = ({ receipt, verdict }: ExecutionResult): void => {
  if (verdict === "Completed") assert.ok((receipt?.leftRunning ?? 0) > 0, "nobody was seen")
}

/** Nobody may have been at work in the output directory after the receipt says that all were dead. */
export const diedAsTold = (result: ExecutionResult): void => {
  const { artifacts, receipt } = result
  assert.equal(receipt?.survivors, 0)
  assert.ok(artifacts.length > 0, "nobody was at work")
  wasSeen(result)
  // The program's age counts from the clock tick before its birth.
  const age = Math.max(...artifacts.map(({ size }) => size))
  const diedAt = receipt?.deadAtMs ?? 0
  assert.ok(age <= diedAt + 12, `it was at work after ${age} ms, and said to be dead after ${diedAt}`)
}

const leaves = (name: string, code: string): HostileProgram => ({
  name,
  language: "python",
  code,
  // The dead that nobody has waited for yet are counted too.
  verdict: ["Completed", "ProcessLimitExceeded"],
  also: diedAsTold
})

export const hops: ReadonlyArray<HostileProgram> = [
  leaves("a process of one page that hops as fast as it can", hoppingFast(0)),
  leaves("a process of one page that hops every 100 µs or so", hoppingFast(200_000)),
  leaves("a process of one page that hops every 2 ms or so", hoppingFast(4_000_000)),
  leaves("a process that hops by fork as fast as it can", hopping("fork", 0)),
  leaves("a process that hops by fork every half millisecond", hopping("fork", 500)),
  leaves("a process that hops by fork every 3 ms", hopping("fork", 3000)),
  leaves("a process that hops by fork every 20 ms", hopping("fork", 20_000)),
  leaves("a process that hops to a sibling", hopping("sibling", 0)),
  leaves("a process that hops to a sibling every millisecond", hopping("sibling", 1000)),
  leaves("a process that hops from a thread", hopping("thread", 0)),
  leaves("a process that hops from a thread every 2 ms", hopping("thread", 2000)),
  leaves("three processes that hop at once", hopping("fork", 2000, 3)),
  leaves("a process that hops although its program ends at once", hopping("fork", 0, 1, "time.sleep(0.03)")),
  {
    name: "a process that hops while its program must be killed",
    language: "python",
    code: hopping("fork", 100, 2, "signal.signal(15, signal.SIG_IGN); time.sleep(600)"),
    // All are killed at once, so none is left running when the program itself has ended.
    verdict: ["TimeLimitExceeded", "CpuTimeLimitExceeded", "ProcessLimitExceeded"],
    timeout: 1,
    also: diedAsTold
  },
  {
    name: "a process that hops by vfork, as another program each time",
    language: "python",
    files: [
      {
        path: "hop.py",
        content: `
import os, sys
with open("output/x.txt", "a") as file: file.write("x")
os.posix_spawn(sys.executable, [sys.executable, "-S", "-E", "hop.py"], os.environ)
os._exit(0)`
      }
    ],
    code: `
import os, sys, time
os.posix_spawn(sys.executable, [sys.executable, "-S", "-E", "hop.py"], os.environ)
time.sleep(0.3)`,
    verdict: ["Completed", "ProcessLimitExceeded"],
    also: wasSeen
  },
  {
    name: "a process that hops by fork and exec in a shell",
    language: "bash",
    files: [{ path: "hop.sh", content: "echo x >> output/x.txt\nbash hop.sh &\n" }],
    code: "setsid bash hop.sh > /dev/null 2>&1 & sleep 0.3",
    verdict: ["Completed", "ProcessLimitExceeded"],
    also: wasSeen
  }
]
