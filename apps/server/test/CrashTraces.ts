import { existsSync, readdirSync, readFileSync } from "node:fs"
import { Effect, Schedule } from "effect"

const read = (path: string) =>
  Effect.orElseSucceed(
    Effect.try(() => readFileSync(path, "latin1")),
    () => ""
  )

const namesIn = (directory: string) => (existsSync(directory) ? readdirSync(directory) : [])

/** What the belongings of a server's host are named by: its process id and start time. */
export const nameOf = (pid: number) =>
  Effect.map(read(`/proc/${pid}/stat`), (stat) => {
    const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
    return `${pid}-${startTime}`
  })

const processes = (signs: ReadonlyArray<string>) =>
  Effect.filter(
    readdirSync("/proc").filter((name) => /^\d+$/.test(name)),
    (pid) =>
      Effect.map(
        Effect.all(["environ", "cmdline", "cgroup"].map((file) => read(`/proc/${pid}/${file}`))),
        (texts) => signs.some((sign) => texts.some((text) => text.includes(sign)))
      )
  )

/** How long the sandboxes of a server may outlive it. */
const longest = "15 seconds"

const facts = (pid: string) =>
  Effect.map(
    Effect.all([read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/wchan`)]),
    ([command, waitsIn]) => `${pid} in ${waitsIn}: ${command.replaceAll("\0", " ").slice(0, 200)}`
  )

/** Ends what is left, which would slow every later start of a server on this machine, and says what it was. */
export const end = (pids: ReadonlyArray<string>) =>
  Effect.forEach(pids, (pid) =>
    Effect.tap(facts(pid), () => Effect.ignore(Effect.try(() => process.kill(Number(pid), "SIGKILL"))))
  )

/**
 * Waits until no process of a server's host, and none that carries the mark, is left; gives those that are left all the
 * same.
 */
export const awaitNoProcess = (name: string, mark: string) => {
  // The name is in the paths of a host's cgroups and of its directory.
  const left = Effect.suspend(() => processes([mark, `/${name}-`]))
  return Effect.repeat(left, {
    schedule: Schedule.spaced("100 millis"),
    until: ({ length }) => length === 0
  }).pipe(
    Effect.timeoutTo({
      duration: longest,
      onSuccess: () => Effect.succeed<Array<string>>([]),
      onTimeout: () => left
    }),
    Effect.flatten
  )
}

const rooms = () => ["/sys/fs/cgroup", ...namesIn("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)]

const runDirectories = () => [
  "/run/bulkhead-host",
  ...namesIn("/tmp")
    .filter((name) => name.startsWith("bulkhead-host-"))
    .map((name) => `/tmp/${name}`)
]

/** The cgroups, directories and mounts that are left of servers that are gone. */
export const leftBy = (names: ReadonlySet<string>) =>
  Effect.map(read("/proc/self/mountinfo"), (mounts) => {
    const isTheirs = (name: string) => names.has(name.split("-").slice(0, 2).join("-"))
    const directories = [...rooms().map((room) => `${room}/bulkhead`), ...runDirectories()].flatMap(
      (directory) =>
        namesIn(directory)
          .filter(isTheirs)
          .map((name) => `${directory}/${name}`)
    )
    const mounted = mounts.split("\n").filter((line) => {
      const [, name] = /\/bulkhead-host[^/]*\/(\d+-\d+)-/.exec(line) ?? []
      return name !== undefined && names.has(name)
    })
    return [...directories, ...mounted.map((line) => `mount: ${line}`)]
  })
