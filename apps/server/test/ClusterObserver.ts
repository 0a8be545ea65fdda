import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { Effect, Schedule } from "effect"

// Sees the processes of this machine, and knows nothing of what the servers know.

/** One sandbox in which a program runs, and for whom. */
interface Sighting {
  readonly sandbox: string
  readonly user: string
  readonly key: string
}

export interface Caps {
  readonly all: number
  readonly perUser: number
}

const orElse = (read: () => string) => Effect.orElseSucceed(Effect.try(read), () => "")

const valueIn = (variables: ReadonlyArray<string>, name: string) =>
  variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1) ?? ""

/** What a process is, if it has the mark. */
const sightingOf = Effect.fnUntraced(function* (mark: string, pid: string) {
  const environ = yield* orElse(() => readFileSync(`/proc/${pid}/environ`, "latin1"))
  const variables = environ.split("\0")
  if (!variables.includes(`MARK=${mark}`)) return undefined
  const sandbox = yield* orElse(() => readlinkSync(`/proc/${pid}/ns/pid`))
  if (sandbox === "") return undefined
  return { sandbox, user: valueIn(variables, "FOR_USER"), key: valueIn(variables, "FOR_KEY") }
})

/** A process that has no mark after so many looks is none of the programs: those have it as soon as they begin. */
const enough = 4

/** The sandboxes in which programs with the mark run now. Reads only what may be one of them. */
const lookingFor = (mark: string) => {
  let unmarked: ReadonlyMap<string, number> = new Map()
  return Effect.gen(function* () {
    const found = new Map<string, Sighting>()
    const others = new Map<string, number>()
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const looks = unmarked.get(pid) ?? 0
      const sighting = looks < enough ? yield* sightingOf(mark, pid) : undefined
      if (sighting === undefined) others.set(pid, looks + 1)
      else found.set(sighting.sandbox, sighting)
    }
    unmarked = others
    return found
  })
}

const countsBy = (sightings: ReadonlyArray<Sighting>, nameOf: (sighting: Sighting) => string) => {
  const counts = new Map<string, number>()
  for (const sighting of sightings) {
    const name = nameOf(sighting)
    if (name !== "") counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
}

const flawsOf = (sightings: ReadonlyArray<Sighting>, { all, perUser }: Caps) => [
  ...(sightings.length > all ? [`${sightings.length} programs run at once, not ${all}`] : []),
  ...countsBy(sightings, ({ user }) => user)
    .filter(([, count]) => count > perUser)
    .map(([user, count]) => `${count} programs of ${user} run at once, not ${perUser}`),
  ...countsBy(sightings, ({ key }) => key)
    .filter(([, count]) => count > 1)
    .map(([key, count]) => `${count} programs of key ${key} run at once`)
]

/** What is being killed is there for a moment longer: only what two looks in a row see is counted. */
const interval = "250 millis"

export interface Observation {
  readonly violations: Array<string>
  /** Most programs that ran at once. */
  most: number
  looks: number
}

/** Looks again and again, until it is interrupted. */
export const watch = (mark: string, caps: Caps, observation: Observation) => {
  let before: ReadonlyMap<string, Sighting> = new Map()
  return lookingFor(mark).pipe(
    Effect.tap((now) => {
      const both = [...now.values()].filter(({ sandbox }) => before.has(sandbox))
      before = now
      observation.most = Math.max(observation.most, both.length)
      observation.looks++
      observation.violations.push(...flawsOf(both, caps))
      return Effect.void
    }),
    Effect.repeat(Schedule.spaced(interval))
  )
}
