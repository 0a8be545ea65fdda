import { readdirSync, readFileSync } from "node:fs"
import { Effect, Schedule } from "effect"

const read = (path: string) =>
  Effect.orElseSucceed(
    Effect.try(() => readFileSync(path, "latin1")),
    () => ""
  )

/** The ids of this machine's processes that carry a mark in their environment or command line. */
export const marked = (mark: string) =>
  Effect.filter(
    readdirSync("/proc").filter((name) => /^\d+$/.test(name)),
    (pid) =>
      Effect.map(
        Effect.zip(read(`/proc/${pid}/environ`), read(`/proc/${pid}/cmdline`)),
        ([environ, cmdline]) => `${environ}${cmdline}`.includes(mark)
      )
  )

/** How many of this machine's processes are called so. */
export const named = (name: string) =>
  Effect.suspend(() =>
    Effect.filter(
      readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)),
      (pid) => Effect.map(read(`/proc/${pid}/cmdline`), (line) => line.startsWith(`${name}\0`))
    )
  ).pipe(Effect.map(({ length }) => length))

/** Waits until so many processes carry the mark; dies if that takes longer than 15 s. */
export const awaitMarked = (mark: string, isEnough: (count: number) => boolean) =>
  Effect.suspend(() => marked(mark)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ length }) => isEnough(length) }),
    Effect.timeout("15 seconds"),
    Effect.orDie
  )

/** The process of a server that starts its sandboxes. */
export const launcherOf = (server: number) =>
  Effect.gen(function* () {
    const children = (yield* read(`/proc/${server}/task/${server}/children`)).split(" ").filter(Boolean)
    const [launcher] = yield* Effect.filter(children, (pid) =>
      Effect.map(read(`/proc/${pid}/cmdline`), (line) => line.split("\0")[1] === "launch")
    )
    return yield* Effect.fromNullable(launcher)
  }).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("15 seconds"),
    Effect.map(Number),
    Effect.orDie
  )

/** Ends a process at once. */
export const kill = (pid: number) => Effect.sync(() => process.kill(pid, "SIGKILL"))
