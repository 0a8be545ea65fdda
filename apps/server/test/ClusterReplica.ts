import { join } from "node:path"
import { Clock, Effect, Schedule } from "effect"
import * as DatabaseWay from "../../../packages/store/test/DatabaseWay.js"
import * as Caller from "./Caller.js"
import type * as ClusterTurns from "./ClusterTurns.js"
import * as Traces from "./CrashTraces.js"
import * as ServerProcess from "./ServerProcess.js"
import * as ShiftedClock from "./ShiftedClock.js"

type Settings = Readonly<Record<string, string>>

/** One server in its present life. */
export interface Life {
  readonly name: string
  readonly service: ServerProcess.ServerProcess["Type"]
}

/**
 * One of the replicas, with a data directory and a way to the database of its own, and what was found amiss with it.
 */
export interface Replica {
  readonly name: string
  readonly settings: Settings
  readonly way: DatabaseWay.DatabaseWay
  /** Whether nobody has taken it for dead. */
  readonly holdsLease: Effect.Effect<boolean>
  readonly dead: Set<string>
  readonly violations: Array<string>
  /** Absent while it is down. */
  life: Life | undefined
}

export interface ReplicaOptions
  extends Pick<Replica, "name" | "settings" | "holdsLease" | "dead" | "violations"> {
  readonly directory: string
  /** Where PostgreSQL's socket is. It has a user of the replica's name. */
  readonly database: string
}

export const make = ({ database, directory, settings, ...rest }: ReplicaOptions) =>
  Effect.map(
    DatabaseWay.make(database),
    (way): Replica => ({
      ...rest,
      way,
      settings: {
        ...settings,
        DATABASE_URL: way.url(rest.name),
        SANDBOX_CLUSTER: "on",
        SANDBOX_INSTANCE: rest.name,
        SANDBOX_DATA_DIR: join(directory, rest.name)
      },
      life: undefined
    })
  )

export const at = <A, E, R>(replica: Replica | undefined, effect: Effect.Effect<A, E, R>) =>
  replica?.life === undefined
    ? Effect.dieMessage("the replica is down")
    : Effect.provideService(effect, ServerProcess.ServerProcess, replica.life.service)

const startOnce = Effect.fnUntraced(function* (replica: Replica, more: Settings) {
  const { ended, kill, listening, pid } = yield* ServerProcess.launch({ ...replica.settings, ...more })
  const name = yield* Traces.nameOf(pid)
  const url = yield* Effect.timeout(listening, "2 minutes").pipe(Effect.orDie)
  replica.life = { name, service: ServerProcess.ServerProcess.of({ url, kill, ended }) }
})

/** One that does not start is started again. */
export const start = (replica: Replica, more: Settings = {}) =>
  startOnce(replica, more).pipe(
    Effect.sandbox,
    Effect.tapError((cause) =>
      Effect.sync(() => replica.violations.push(`${replica.name} does not start: ${cause}`))
    ),
    Effect.retry({ times: 3 }),
    Effect.unsandbox
  )

const lastLines = (text: string) => text.trimEnd().split("\n").slice(-40).join("\n")

/** Waits for the end of a server, and of all that was its. */
export const buried = Effect.fnUntraced(function* (replica: Replica, life: Life) {
  replica.life = undefined
  const ended = yield* life.service.ended.pipe(Effect.timeoutOption("40 seconds"))
  if (ended._tag === "None") {
    yield* life.service.kill("SIGKILL")
    const { stdout } = yield* life.service.ended
    replica.violations.push(
      `the server ${life.name} of ${replica.name} does not end, and said last:\n${lastLines(stdout)}`
    )
  }
  const left = yield* Effect.flatMap(Traces.awaitNoProcess(life.name, `/${life.name}-`), Traces.end)
  replica.dead.add(life.name)
  replica.violations.push(...left.map((process) => `a process outlives its server: ${process}`))
})

/** Waits until it says that it is ready: a connection to the database without an answer is given up after 40 s. */
const recovered = Effect.fnUntraced(function* (replica: Replica) {
  const ready = Effect.filterOrFail(
    Caller.tryFetchJson("/ready"),
    ({ status }) => status === 200,
    ({ body, status }) => `${status} ${JSON.stringify(body)}`
  )
  const outcome = yield* at(replica, ready).pipe(
    Effect.retry({ times: 300, schedule: Schedule.spaced("200 millis") }),
    Effect.either
  )
  if (outcome._tag === "Left")
    replica.violations.push(`${replica.name} is not ready again 60 s later: ${outcome.left}`)
})

/** Until the others have taken it for dead, which on a busy machine takes them longer than the lease. */
const long = (replica: Replica) =>
  replica.holdsLease.pipe(
    Effect.repeat({ while: (holdsLease) => holdsLease, schedule: Schedule.spaced("500 millis") }),
    Effect.timeoutOption("2 minutes"),
    Effect.tap((outcome) =>
      Effect.sync(() => {
        if (outcome._tag === "None") replica.violations.push(`nobody takes ${replica.name} for dead`)
      })
    ),
    Effect.zipRight(Effect.sleep("5 seconds"))
  )

/** Not so long, and longer than its lease of shards. */
const short = Effect.sleep("6 seconds")

const lived = (replica: Replica, cause: Effect.Effect<unknown>) => Effect.zipRight(cause, recovered(replica))

const ended = (replica: Replica, life: Life, cause: Effect.Effect<unknown>, more: Settings = {}) =>
  cause.pipe(Effect.zipRight(buried(replica, life)), Effect.zipRight(start(replica, more)))

const frozen = ({ service }: Life, time: Effect.Effect<unknown>) =>
  service.kill("SIGSTOP").pipe(Effect.zipRight(time), Effect.zipRight(service.kill("SIGCONT")))

const misfortunes = {
  "is killed": (replica, life) => ended(replica, life, life.service.kill("SIGKILL")),
  "has no database for a while": (replica) =>
    lived(replica, replica.way.cut.pipe(Effect.zipRight(short), Effect.zipRight(replica.way.mend))),
  "stands still for long": (replica, life) => ended(replica, life, frozen(life, long(replica))),
  "has a slow database": (replica) =>
    lived(
      replica,
      replica.way
        .slow("150 millis")
        .pipe(Effect.zipRight(Effect.sleep("8 seconds")), Effect.zipRight(replica.way.mend))
    ),
  "is stopped": (replica, life) => ended(replica, life, life.service.kill("SIGTERM")),
  "has a silent database that knows nothing of its connections afterwards": (replica) =>
    lived(replica, replica.way.silence.pipe(Effect.zipRight(short), Effect.zipRight(replica.way.forget))),
  "is started again with a clock that is 10 minutes fast": (replica, life) =>
    ended(replica, life, life.service.kill("SIGTERM"), ShiftedClock.settings(10)),
  "has no database for long": (replica, life) =>
    ended(
      replica,
      life,
      replica.way.cut.pipe(Effect.zipRight(long(replica)), Effect.zipRight(replica.way.mend))
    ),
  "stands still": (replica, life) => lived(replica, frozen(life, short)),
  "is killed, and started again with a clock that is 10 minutes slow": (replica, life) =>
    ended(replica, life, life.service.kill("SIGKILL"), ShiftedClock.settings(-10)),
  "has a silent database for long": (replica, life) =>
    ended(
      replica,
      life,
      replica.way.silence.pipe(Effect.zipRight(long(replica)), Effect.zipRight(replica.way.mend))
    )
} satisfies Readonly<
  Record<string, (replica: Replica, life: Life) => ReturnType<typeof start> | Effect.Effect<unknown>>
>

export type Misfortune = keyof typeof misfortunes

/** Everything that may happen to a replica, in the order in which it does. */
export const all = Object.keys(misfortunes) as ReadonlyArray<Misfortune>

/** Has it happen to a replica that is up, and waits until that is well again. */
export const befall = Effect.fnUntraced(function* (replica: Replica, what: Misfortune) {
  const from = yield* Clock.currentTimeMillis
  const effect: Effect.Effect<
    unknown,
    unknown,
    Effect.Effect.Context<ReturnType<typeof start>>
  > = replica.life === undefined ? Effect.void : misfortunes[what](replica, replica.life)
  yield* Effect.orDie(effect)
  const harm: ClusterTurns.Harm = {
    replica: replica.name,
    what,
    from,
    until: yield* Clock.currentTimeMillis
  }
  return harm
})
