import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect, Fiber, Schedule } from "effect"
import {
  assertBetween,
  cgroupsOf,
  descendantsOf,
  effectiveOwnerOf,
  instancesOf,
  isAlive,
  mountsOfHosts,
  ownerOf,
  processesMarked,
  rejection,
  run,
  uidBlockOf,
  until
} from "./Fixtures.js"
import { bundled } from "./HostBundle.js"
import { imageDirectory, MANIFEST } from "./ImageTrees.js"
import { connectionTo, exited, type RunningHost, startHost } from "./RunningHost.js"

const createdIn = (host: RunningHost) => Sandbox.create(connectionTo(host))
const createIn = (host: RunningHost) => Effect.promise(() => createdIn(host))

for (const [index, signal] of (["SIGTERM", "SIGKILL"] as const).entries())
  it.scopedLive(`a host that ends by ${signal} takes every process along`, () =>
    Effect.gen(function* () {
      const directory = yield* bundled
      const host = yield* startHost(directory)
      const [one, two] = [yield* createIn(host), yield* createIn(host)]
      yield* run(one, `(setsid sh -c 'trap "" TERM HUP; sleep 8641${index}' &); true`)
      const handle = yield* Effect.promise(() =>
        two.commands.run(`exec sleep 8641${index}`, { background: true })
      )
      handle.wait().catch(() => undefined)
      const hostPid = host.child.pid ?? 0
      const family = descendantsOf(hostPid)
      // The launcher, two agents, and what runs under them.
      assert.isAtLeast(family.length, 5)
      if (host.isolation.caps !== "rlimits only") assert.isAtLeast(cgroupsOf(hostPid).length, 2)
      host.child.kill(signal)
      yield* exited(host.child)
      yield* until("all of its processes end", () => !family.some(isAlive))
      assert.deepEqual(processesMarked(`sleep 8641${index}`), [])
      // What a killed host could not remove, the next one does.
      yield* startHost(directory)
      const left = readdirSync(runDirectories()).filter((name) => name.startsWith(`${hostPid}-`))
      assert.deepEqual(left, [])
      assert.deepEqual(instancesOf(hostPid), [])
      assert.deepEqual(mountsOfHosts(), [])
    })
  )

it.scopedLive("a launcher that is killed takes every sandbox along, and another one takes its place", () =>
  Effect.gen(function* () {
    const host = yield* startHost(yield* bundled)
    const [one, two] = [yield* createIn(host), yield* createIn(host)]
    yield* run(one, `(setsid sh -c 'trap "" TERM HUP; sleep 86430' &); true`)
    const handle = yield* Effect.promise(() => two.commands.run("exec sleep 86431", { background: true }))
    const lost = yield* Effect.fork(rejection(() => handle.wait()))
    const [launcher = 0, ...sandboxed] = descendantsOf(host.child.pid ?? 0)
    assert.isAtLeast(sandboxed.length, 4)
    process.kill(launcher, "SIGKILL")
    yield* until("all of its processes end", () => !sandboxed.some(isAlive))
    assert.include((yield* Fiber.join(lost)).message, "the launcher of this sandbox died under it")
    assert.deepEqual([...processesMarked("sleep 86430"), ...processesMarked("sleep 86431")], [])
    const later = yield* rejection(() => one.commands.run("true"))
    assert.include(later.message, "the launcher of this sandbox died before")
    assert.strictEqual((yield* run(yield* createIn(host), "echo on")).stdout, "on\n")
    assert.notStrictEqual(descendantsOf(host.child.pid ?? 0)[0], launcher)
    yield* until("nothing is left of the first launcher", () => launchersOf(host).join() === "launcher-2")
  })
)

/** The directories of a host's launchers. */
const launchersOf = ({ child }: RunningHost) =>
  readdirSync(runDirectories())
    .filter((name) => name.startsWith(`${child.pid}-`))
    .flatMap((name) => readdirSync(`${runDirectories()}/${name}`))
    .filter((name) => name.startsWith("launcher-"))

/** The processes of sandboxes, and what is becoming one, of the launcher that has these uids; but not itself. */
const inhabitantsOf = (block: number, launcher: number) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== launcher && isAlive(Number(name)))
    .filter((name) => uidBlockOf(ownerOf(Number(name)) ?? 0) === block)

it.scopedLive(
  "a launcher that is killed while sandboxes begin leaves none, and its host goes on",
  () =>
    Effect.gen(function* () {
      if (process.getuid?.() !== 0) return
      const host = yield* startHost(yield* bundled)
      const hostPid = host.child.pid ?? 0
      for (let round = 0; round < 5; round++) {
        const [launcher = 0] = descendantsOf(hostPid)
        const block = uidBlockOf(ownerOf(launcher) ?? 0)
        let made = 0
        let isOver = false
        const creator = async () => {
          while (!isOver) {
            const sandbox = await Sandbox.create(connectionTo(host))
            made += 1
            sandbox.kill().catch(() => undefined)
          }
        }
        const creators = Promise.all(Array.from({ length: 10 }, creator))
        yield* until("enough are made", () => made > 12 + round)
        process.kill(launcher, "SIGKILL")
        const before = made
        // None of the ten is refused: what was being made is made by the next launcher.
        yield* until("the next launcher makes some", () => made > before + 20)
        isOver = true
        yield* Effect.promise(() => creators)
        yield* until(
          "every process of its sandboxes ends, and what was becoming one",
          () => inhabitantsOf(block, launcher).length === 0
        )
        yield* until("no cgroup is left", () => cgroupsOf(hostPid).length === 0)
        assert.isNull(host.child.exitCode)
      }
    }),
  60_000
)

/** Stops a launcher just when it has the process that holds a new user namespace, if it is met with one. */
const isStoppedWithHolder = (launcher: number) => {
  process.kill(launcher, "SIGSTOP")
  // Who made a slot's namespace is the third of its four users (launch.c).
  if (descendantsOf(launcher).some((pid) => (effectiveOwnerOf(pid) ?? 0) % 4 === 2)) return true
  process.kill(launcher, "SIGCONT")
  return false
}

it.scopedLive("a launcher that is killed while it makes a user namespace leaves nobody", () =>
  Effect.gen(function* () {
    if (process.getuid?.() !== 0) return
    const host = yield* startHost(yield* bundled)
    const [launcher = 0] = descendantsOf(host.child.pid ?? 0)
    const block = uidBlockOf(ownerOf(launcher) ?? 0)
    const creators = Array.from({ length: 200 }, () => Effect.exit(Effect.tryPromise(() => createdIn(host))))
    const created = yield* Effect.fork(Effect.all(creators, { concurrency: 8 }))
    yield* Effect.sync(() => isStoppedWithHolder(launcher)).pipe(
      Effect.repeat({ schedule: Schedule.spaced("1 millis"), until: (stopped) => stopped }),
      Effect.timeout("10 seconds")
    )
    process.kill(launcher, "SIGKILL")
    yield* Fiber.join(created)
    yield* until("everybody ends", () => inhabitantsOf(block, launcher).length === 0)
  })
)

it.scopedLive("a cgroup that cannot be removed yet does not disturb the sandboxes after it", () =>
  Effect.gen(function* () {
    const host = yield* startHost(yield* bundled)
    if (process.getuid?.() !== 0 || host.isolation.caps === "rlimits only") return
    const held = [yield* createIn(host), yield* createIn(host), yield* createIn(host)]
    const guests = yield* Effect.acquireRelease(
      Effect.sync(() =>
        cgroupsOf(host.child.pid ?? 0).map((cgroup) => {
          const guest = spawn("/bin/sleep", ["600"])
          const inhabited = existsSync(`${cgroup}/keepers`) ? `${cgroup}/keepers` : cgroup
          writeFileSync(`${inhabited}/cgroup.procs`, String(guest.pid))
          return guest
        })
      ),
      (guests) =>
        Effect.sync(() => {
          for (const guest of guests) guest.kill("SIGKILL")
        })
    )
    assert.isAtLeast(guests.length, held.length)
    const [launcher = 0] = descendantsOf(host.child.pid ?? 0)
    const block = uidBlockOf(ownerOf(launcher) ?? 0)
    const kills = held.map((sandbox) => sandbox.kill())
    yield* until("their processes end", () => inhabitantsOf(block, launcher).length === 0)
    const next = yield* createIn(host)
    const withInput = () => next.commands.run("cat", { background: true, stdin: true })
    const readers = yield* Effect.promise(() => Promise.all([withInput(), withInput()]))
    for (const word of ["one", "two", "three", "four"])
      assert.strictEqual((yield* run(next, `echo ${word}`)).stdout, `${word}\n`)
    yield* Effect.promise(() => Promise.all(readers.map((reader) => reader.kill())))
    // Its inputs and outputs, the host, /dev/null, and what lets programs into their cgroup and limits it.
    const open = 5 + (host.isolation.caps === "cgroup v1" ? 3 : 2)
    yield* until("only the agent is left, with these", () => {
      const [agent, ...others] = inhabitantsOf(block, launcher)
      return others.length === 0 && readdirSync(`/proc/${agent}/fd`).length === open
    })
    for (const guest of guests) guest.kill("SIGKILL")
    yield* Effect.promise(() => Promise.all(kills))
    yield* until(
      "one cgroup in each hierarchy is left",
      () => cgroupsOf(host.child.pid ?? 0).length * 3 <= guests.length
    )
  })
)

const runDirectories = () => {
  const uid = process.getuid?.() ?? 0
  return uid === 0 ? "/run/bulkhead-host" : `/tmp/bulkhead-host-${uid}`
}

it.scopedLive("a host that is not root isolates too, without a root in the sandbox", () =>
  Effect.gen(function* () {
    if (process.getuid?.() !== 0 || !existsSync("/proc/sys/user/max_user_namespaces")) return
    const directory = yield* bundled
    const host = yield* startHost(directory, 65534)
    assert.strictEqual(host.isolation.users, "shared uid")
    const here = yield* createIn(host)
    const { stdout } = yield* run(
      here,
      "id -u; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/1/environ; ls /proc/1/fd"
    )
    assert.strictEqual(stdout, "1000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n")
    yield* Effect.promise(() => here.files.write("a/b", "x"))
    assert.strictEqual((yield* run(here, "cat a/b; kill -9 1; kill -9 -1")).stdout, "x")
    assert.strictEqual((yield* run(here, "echo on")).stdout, "on\n")
    if (host.isolation.caps === "rlimits only") {
      const limits = (yield* run(here, "grep -E 'Max (processes|data size)' /proc/self/limits")).stdout
      assert.match(limits, /Max processes +128 +128/)
      assert.match(limits, /Max data size +2147483648 +2147483648/)
      yield* run(here, "for i in $(seq 300); do sleep 86419 & done 2>/dev/null; true").pipe(
        Effect.timeoutOption("3 seconds")
      )
      assertBetween(processesMarked("sleep 86419").length, 1, 128)
    }
    const refused = yield* Effect.promise(() =>
      here.commands.run("id", { user: "root" }).catch((error: Error) => error)
    )
    assert.strictEqual((refused as Error).name, "AuthenticationError")
    yield* Effect.promise(() => here.kill())
  })
)

it.scopedLive("an image's launcher that is killed takes no sandbox of another along", () =>
  Effect.gen(function* () {
    const image = yield* imageDirectory({ [MANIFEST]: '{"format":1,"env":{"GREETING":"hello"}}' })
    const host = yield* startHost(yield* bundled, undefined, { images: { data: image } })
    const createOn = (template: string) => Effect.promise(() => Sandbox.create(template, connectionTo(host)))
    const [plain, here] = [yield* createOn("base"), yield* createOn("data")]
    const family = descendantsOf(host.child.pid ?? 0)
    // Images come first.
    const launcher = family.find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8")
        .split("\0")
        .some((word) => word.endsWith("/launcher-1"))
    )
    process.kill(launcher ?? 0, "SIGKILL")
    yield* Effect.promise(() => here.isRunning()).pipe(
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (isRunning) => isRunning })
    )
    assert.strictEqual((yield* run(plain, "echo on")).stdout, "on\n")
    assert.strictEqual((yield* run(yield* createOn("data"), "echo $GREETING")).stdout, "hello\n")
  })
)
