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

const sightingOf = (mark: string) => (pid: string) =>
  Effect.gen(function* () {
    const environ = yield* orElse(() => readFileSync(`/proc/${pid}/environ`, "latin1"))
    const variables = environ.split("\0")
    if (!variables.includes(`MARK=${mark}`)) return []
    const sandbox = yield* orElse(() => readlinkSync(`/proc/${pid}/ns/pid`))
    const valueOf = (name: string) =>
      variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1) ?? ""
    return sandbox === "" ? [] : [{ sandbox, user: valueOf("FOR_USER"), key: valueOf("FOR_KEY") }]
  })

/** The sandboxes in which programs with the mark run now. */
const look = (mark: string) =>
  Effect.suspend(() =>
    Effect.forEach(
      readdirSync("/proc").filter((name) => /^\d+$/.test(name)),
      sightingOf(mark)
    )
  ).pipe(
    Effect.map((sightings): ReadonlyMap<string, Sighting> => {
      return new Map(sightings.flat().map((sighting) => [sighting.sandbox, sighting]))
    })
  )

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
  return look(mark).pipe(
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
