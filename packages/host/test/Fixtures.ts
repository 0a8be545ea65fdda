import { readdirSync, readFileSync } from "node:fs"
import { EmbeddedHost } from "@bulkhead/host"
import { assert } from "@effect/vitest"
import { CommandExitError, Sandbox, type SandboxOpts } from "e2b"
import { Effect, Redacted, Schedule } from "effect"

/** The SDK's options for the host of this test. */
export const connection = Effect.map(EmbeddedHost, (host) => ({
  apiKey: Redacted.value(host.apiKey),
  apiUrl: host.url,
  sandboxUrl: host.url
}))

/** A sandbox through the real SDK, killed with the scope. */
export const sandbox = (options: SandboxOpts = {}) =>
  Effect.acquireRelease(
    Effect.flatMap(connection, (where) => Effect.promise(() => Sandbox.create({ ...where, ...options }))),
    (created) => Effect.promise(() => created.kill())
  )

/** What came of a command. */
export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a shell command; an exit code other than zero is an answer too. */
export const run = (
  where: Sandbox,
  command: string,
  options: { user?: string; cwd?: string; envs?: Record<string, string> } = {}
): Effect.Effect<Ran> =>
  Effect.promise(() =>
    where.commands.run(command, options).catch((error: unknown) => {
      if (error instanceof CommandExitError) return error
      throw error
    })
  )

/** Runs Python code given as text. */
export const python = (where: Sandbox, code: string, options: { user?: string } = {}) =>
  run(where, `python3 - <<'EOF'\n${code}\nEOF`, options)

/** How a promise was rejected. */
export const rejection = (start: () => Promise<unknown>): Effect.Effect<Error> =>
  Effect.promise(() =>
    start().then(
      () => {
        throw new Error("it should have been refused")
      },
      (error: Error) => error
    )
  )

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name))
const commandLine = (pid: string) => readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()

/** The processes of this machine that bear a mark in their command lines. */
export const pidsMarked = (mark: string): ReadonlyArray<number> =>
  pids()
    .filter((pid) => commandLine(pid).includes(mark))
    .map(Number)

/** The command lines of all processes of this machine that bear a mark. */
export const processesMarked = (mark: string): ReadonlyArray<string> =>
  pids()
    .map(commandLine)
    .filter((line) => line.includes(mark))

const uidsOf = (pid: number) => {
  const [, real, effective] = /^Uid:\t(\d+)\t(\d+)/m.exec(readIfThere(`/proc/${pid}/status`)) ?? []
  return real === undefined ? undefined : { real: Number(real), effective: Number(effective) }
}

/** The kernel's uid of a process. */
export const ownerOf = (pid: number): number | undefined => uidsOf(pid)?.real

/** The kernel's uid that a process acts as. */
export const effectiveOwnerOf = (pid: number): number | undefined => uidsOf(pid)?.effective

/** The kernel's uid of the process with just this command line. */
export const uidOf = (line: string): number | undefined =>
  ownerOf(Number(pids().find((candidate) => commandLine(candidate) === line)))

/** Which block of uids one is in: a launcher's real uid and its sandboxes' are in one (launch.c). */
export const uidBlockOf = (uid: number): number => Math.floor((uid - 0x70000000) / 8192)

/** All processes that come from `pid`, itself left out. */
export const descendantsOf = (pid: number): ReadonlyArray<number> => {
  const parents = pids().map((name) => {
    const stat = readIfThere(`/proc/${name}/stat`)
    return [Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])] as const
  })
  const below = (parent: number): ReadonlyArray<number> =>
    parents.filter(([, of]) => of === parent).flatMap(([child]) => [child, ...below(child)])
  return below(pid)
}

/** Whether a process is there and not yet a zombie. */
export const isAlive = (pid: number): boolean => {
  const stat = readIfThere(`/proc/${pid}/stat`)
  return stat !== "" && !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z")
}

const readIfThere = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const entries = (directory: string) => {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${directory}/${name}`)
  } catch {
    return []
  }
}

/** The directories that hold the cgroups of a host's sandboxes, in whatever hierarchies there are. */
export const instancesOf = (pid: number): ReadonlyArray<string> =>
  ["/sys/fs/cgroup", ...entries("/sys/fs/cgroup")]
    .flatMap((mount) => entries(`${mount}/bulkhead`))
    .filter((directory) => directory.includes(`/bulkhead/${pid}-`))

/** The cgroups of a host's sandboxes. */
export const cgroupsOf = (pid: number): ReadonlyArray<string> => instancesOf(pid).flatMap(entries)

/** The mounts of this machine that lie in hosts' directories. */
export const mountsOfHosts = (): ReadonlyArray<string> =>
  readIfThere("/proc/self/mountinfo")
    .split("\n")
    .filter((line) => line.includes("bulkhead"))

/** A number within bounds, both included. */
export const assertBetween = (value: number | undefined, least: number, most: number): void =>
  assert.isTrue(value !== undefined && value >= least && value <= most, `${value} in ${least}..${most}`)

/** Waits for something that another process brings about. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail(what))).pipe(
    Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 750 }),
    Effect.orDie
  )
