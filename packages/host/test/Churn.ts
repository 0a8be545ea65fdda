import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { Sandbox } from "e2b"
import { Effect, Ref } from "effect"
import { cgroupsOf, descendantsOf, run, until } from "./Fixtures.js"
import { connectionTo, type RunningHost } from "./RunningHost.js"

/** What a host without sandboxes holds. */
export interface Held {
  readonly processes: number
  readonly cgroups: number
  /** Of the host and of its launcher. */
  readonly mounts: ReadonlyArray<number>
  /** Of the host without its sockets, which a client may keep, and of its launcher. */
  readonly descriptors: ReadonlyArray<number>
  /** MiB, of the host and of its launcher. */
  readonly resident: ReadonlyArray<number>
}

/** What a program leaves to whoever kills its sandbox. */
const lives: ReadonlyArray<(sandbox: Sandbox) => Effect.Effect<unknown>> = [
  (sandbox) => run(sandbox, "echo 1"),
  (sandbox) => run(sandbox, "(setsid sleep 1000 &); head -c 100000 /dev/zero > file"),
  (sandbox) => Effect.promise(() => sandbox.commands.run("exec sleep 1000", { background: true })),
  () => Effect.void
]

const cycle = (host: RunningHost, index: number) =>
  Effect.acquireUseRelease(
    Effect.promise(() => Sandbox.create(connectionTo(host))),
    (sandbox) => lives[index % lives.length]?.(sandbox) ?? Effect.void,
    (sandbox) => Effect.promise(() => sandbox.kill())
  )

/** Creates sandboxes, runs something in them and kills them, some at once. */
export const cycles = (host: RunningHost, count: number, atOnce = 4) =>
  Effect.gen(function* () {
    const next = yield* Ref.make(0)
    const one = Effect.flatMap(
      Ref.getAndUpdate(next, (index) => index + 1),
      (index) => cycle(host, index)
    )
    const share = Effect.repeatN(one, Math.ceil(count / atOnce) - 1)
    yield* Effect.replicateEffect(share, atOnce, { concurrency: atOnce, discard: true })
  })

const descriptors = (pid: number, counts: (target: string) => boolean) =>
  readdirSync(`/proc/${pid}/fd`).filter((name) => counts(readlinkIfThere(`/proc/${pid}/fd/${name}`))).length

const readlinkIfThere = (path: string) => {
  try {
    return readlinkSync(path)
  } catch {
    return ""
  }
}

const residentMiB = (pid: number) => {
  const [, kiB] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kiB) / 1024
}

const mountsOf = (pid: number) => readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").length

/** Waits until no sandbox of the host's is left, and says what it then holds. */
export const held = Effect.fnUntraced(function* ({ child: { pid = 0 } }: RunningHost) {
  yield* until("only the launcher is left", () => descendantsOf(pid).length === 1)
  const [launcher = 0] = descendantsOf(pid)
  const both = [pid, launcher]
  const found: Held = {
    processes: descendantsOf(pid).length,
    cgroups: cgroupsOf(pid).length,
    mounts: both.map(mountsOf),
    descriptors: [
      descriptors(pid, (target) => target !== "" && !target.startsWith("socket:")),
      descriptors(launcher, (target) => target !== "")
    ],
    resident: both.map(residentMiB)
  }
  return found
})
