import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { EmbeddedHost, type EmbeddedHostService } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import type { Sandbox } from "e2b"
import { Effect, Redacted } from "effect"
import {
  assertBetween,
  cgroupsOf,
  mountsOfHosts,
  processesMarked,
  python,
  run,
  sandbox,
  until
} from "./Fixtures.js"

const MEGABYTE = 1048576
const root = process.getuid?.() === 0

const host = EmbeddedHost.layer({
  memoryBytes: 256 * MEGABYTE,
  cpuPercent: 50,
  processes: 32,
  diskBytes: 64 * MEGABYTE,
  inodes: 5000
})

/** What the sandbox's own view of its cgroup says, whatever the version. */
const evidence = (here: Sandbox, files: ReadonlyArray<string>, name: string) =>
  Effect.map(
    run(here, `cat ${files.map((file) => `/sys/fs/cgroup/${file}`).join(" ")} 2>/dev/null; true`),
    ({ stdout }) => Number(new RegExp(`^${name}(\\d+)$`, "m").exec(stdout)?.[1])
  )
const oomKills = (here: Sandbox) =>
  evidence(here, ["program/memory.events", "memory/program/memory.oom_control"], "oom_kill ")
const refusedForks = (here: Sandbox) =>
  evidence(here, ["program/pids.events", "pids/program/pids.events"], "max ")
const cpuMicros = (here: Sandbox) =>
  Effect.zipWith(
    evidence(here, ["cpu.stat"], "usage_usec "),
    evidence(here, ["cpuacct/cpuacct.usage"], ""),
    (micros, nanos) => (Number.isNaN(micros) ? nanos / 1000 : micros)
  )

const metricsOf = (service: EmbeddedHostService, here: Sandbox) =>
  Effect.promise(async () => {
    const response = await fetch(`${service.url}/sandboxes/${here.sandboxId}/metrics`, {
      headers: { "x-api-key": Redacted.value(service.apiKey) }
    })
    const samples = (await response.json()) as ReadonlyArray<Record<string, number>>
    return samples[samples.length - 1] ?? {}
  })

/** Tests of caps mean nothing where the kernel gives this user none. */
const capped = <R>(test: Effect.Effect<void, never, R>) =>
  Effect.flatMap(EmbeddedHost, ({ isolation }) => (isolation.caps === "rlimits only" ? Effect.void : test))

layer(host, { excludeTestServices: true })("A sandbox's caps", (it) => {
  it.scoped("are what runtimes size themselves by, on other processors than a neighbour", () =>
    Effect.gen(function* () {
      const half = Math.ceil(availableParallelism() / 2)
      const places = [yield* sandbox(), yield* sandbox()]
      const asked = "nproc; node -p 'os.availableParallelism()'; grep Cpus_allowed_list /proc/self/status"
      const answers = yield* Effect.forEach(places, (here) => run(here, asked))
      const lists = answers.map(({ stdout }) => {
        const [nproc, node, list] = stdout.trimEnd().split("\n")
        assert.deepStrictEqual([nproc, node], [`${half}`, `${half}`])
        return list
      })
      if (availableParallelism() > 1) assert.notStrictEqual(lists[0], lists[1])
    })
  )

  it.scoped("kill what takes too much memory, and count it", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        const before = process.memoryUsage.rss()
        const { exitCode } = yield* python(here, "x = []\nwhile True: x.append(bytearray(1 << 20))")
        assert.notStrictEqual(exitCode, 0)
        assert.strictEqual(yield* oomKills(here), 1)
        assert.isBelow(process.memoryUsage.rss() - before, 64 * MEGABYTE)
        const child = yield* run(here, `python3 -c 'x = bytearray(1 << 29)' & wait $!; echo $?`)
        assert.strictEqual(child.stdout, "137\n")
        assert.strictEqual(yield* oomKills(here), 2)
      })
    )
  )

  it.scoped("let memory be reserved that is never touched", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          "import mmap\nm = mmap.mmap(-1, 8 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\nprint(len(m))"
        )
        assert.strictEqual(stdout, `${8 * 1024 * MEGABYTE}\n`)
        assert.strictEqual(yield* oomKills(here), 0)
      })
    )
  )

  it.scoped("bound a bomb of processes, which is dead with its sandbox", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        const before = new Set(cgroupsOf(process.pid))
        const handle = yield* Effect.promise(() =>
          here.commands.run(": bomb86420; f() { f | f & }; f; sleep 86420", { background: true })
        )
        handle.wait().catch(() => undefined)
        const pids = [...before].map((directory) => `${directory}/pids.current`)
        const most = () => Math.max(...pids.map((file) => Number(readIfThere(file))))
        yield* until("the bomb reaches its limit", () => most() >= 32)
        assert.isAtMost(most(), 36)
        yield* Effect.promise(() => here.kill())
        assert.deepEqual(processesMarked("bomb86420"), [])
      })
    )
  )

  it.scoped("bound threads as well, and tell that more were wanted", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          `import threading
stop = threading.Event()
threads = []
try:
    while True:
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        threads.append(thread)
except RuntimeError:
    print(len(threads))
stop.set()`
        )
        assertBetween(Number(stdout), 28, 36)
        assert.isAtLeast(yield* refusedForks(here), 1)
        assert.strictEqual(yield* refusedForks(yield* sandbox()), 0)
      })
    )
  )

  it.scoped("hold many busy threads to the quota", () =>
    capped(
      Effect.gen(function* () {
        const service = yield* EmbeddedHost
        const here = yield* sandbox()
        const before = yield* cpuMicros(here)
        const started = performance.now()
        yield* run(here, "for i in 1 2 3 4; do timeout 2 sh -c 'while :; do :; done' & done; wait")
        const elapsed = (performance.now() - started) * 1000
        const used = (yield* cpuMicros(here)) - before
        const { cpuCount = 0, cpuUsedPct = 0 } = yield* metricsOf(service, here)
        assert.isAbove(used / elapsed, 0.02)
        assert.isBelow(used / elapsed / cpuCount, 0.6)
        assertBetween(cpuUsedPct, 1, 60)
      })
    )
  )

  it.scoped("end a disk's filling in ENOSPC, not in an OOM kill", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        const fill = "head -c 1000000000 /dev/zero"
        for (const place of ["/home/user/fill", "/dev/shm/fill", "/tmp/fill"]) {
          const { stderr } = yield* run(here, `${fill} > ${place}`)
          assert.include(stderr, "No space left on device")
          if (!root) continue
          // One budget: what fills one place fills all.
          const { stderr: elsewhere } = yield* run(here, "head -c 100000 /dev/zero > /home/user/more")
          assert.include(elsewhere, "No space left on device")
          yield* run(here, `rm ${place} /home/user/more`)
        }
        assert.strictEqual(yield* oomKills(here), 0)
      })
    )
  )

  it.scoped("bound files too, and let sparse ones be", () =>
    capped(
      Effect.gen(function* () {
        if (!root) return
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          `import errno
count = 0
try:
    while True:
        open(f"/tmp/{count}", "w").close()
        count += 1
except OSError as error:
    print(count, errno.errorcode[error.errno])`
        )
        assert.match(stdout, /^49\d\d ENOSPC\n$/)
        yield* run(here, "rm -rf /tmp/*")
        const sparse = yield* run(here, "truncate -s 50G sparse && stat -c %s sparse && du -k sparse")
        assert.strictEqual(sparse.stdout, `${50 * 1024 * MEGABYTE}\n0\tsparse\n`)
        assert.strictEqual(yield* oomKills(here), 0)
      })
    )
  )

  it.scoped("cannot be lifted from inside", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        for (const user of root ? ["user", "root"] : ["user"]) {
          const { stdout } = yield* run(
            here,
            `cd /sys/fs/cgroup
for file in $(find . -type f); do (echo 1 > $file) 2>/dev/null && echo "wrote $file"; done
for directory in $(find . -type d); do mkdir $directory/new 2>/dev/null && echo "made $directory"; done
find . -name '*.max' -o -name '*limit_in_bytes' | wc -l`,
            { user }
          )
          assert.match(stdout, /^[1-9]\d*\n$/)
        }
      })
    )
  )

  it.scoped("are what a Java machine takes for its limits", () =>
    capped(
      Effect.gen(function* () {
        const here = yield* sandbox()
        if ((yield* run(here, "command -v java")).exitCode !== 0) return
        const { stdout } = yield* run(here, "java -XX:+PrintFlagsFinal -version | grep ' MaxHeapSize '")
        assertBetween(Number(/= (\d+)/.exec(stdout)?.[1]), 32 * MEGABYTE, 128 * MEGABYTE)
      })
    )
  )

  it.scoped("are told truthfully", () =>
    capped(
      Effect.gen(function* () {
        const service = yield* EmbeddedHost
        const here = yield* sandbox()
        yield* run(here, "head -c 20000000 /dev/zero > fill")
        const sample = yield* metricsOf(service, here)
        assert.strictEqual(sample.memTotal, 256 * MEGABYTE)
        if (root) assert.strictEqual(sample.diskTotal, 64 * MEGABYTE)
        assertBetween(sample.diskUsed ?? 0, 20_000_000, 21_000_000)
        assertBetween(sample.memUsed ?? 0, 20_000_000, 100_000_000)
        const samples = yield* Effect.promise(() => here.getMetrics())
        assert.strictEqual(samples[samples.length - 1]?.memTotal, 256 * MEGABYTE)
      })
    )
  )

  it.scoped("leave no cgroup and no mount behind", () =>
    capped(
      Effect.gen(function* () {
        const before = cgroupsOf(process.pid).length
        const made = yield* Effect.forEach([1, 2, 3], () => sandbox(), { concurrency: "unbounded" })
        assert.isAbove(cgroupsOf(process.pid).length, before)
        yield* Effect.forEach(made, (here) => run(here, "(setsid sleep 86421 &); true"))
        yield* Effect.forEach(made, (here) => Effect.promise(() => here.kill()), { concurrency: "unbounded" })
        assert.strictEqual(cgroupsOf(process.pid).length, before)
        assert.deepEqual(mountsOfHosts(), [])
      })
    )
  )
})

const readIfThere = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}
