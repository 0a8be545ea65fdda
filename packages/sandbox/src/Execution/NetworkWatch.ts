import { cut, type NetworkAttempt, type NetworkReport, type NetworkUse, shownName } from "@bulkhead/domain"
import { Duration, Effect, Fiber, Metric, Ref, Schedule, type Scope } from "effect"
import { secretUses } from "../Instruments/ExecutionInstruments.js"
import { ExecutionLog } from "../Record/ExecutionLog.js"
import { Sandbox, type SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import type { AcceptedExecution } from "./AcceptedExecution.js"
import * as Secrets from "./Secrets.js"

/** What a watch has learned by its end. */
export interface Watched {
  /** Connections that were refused, some of them, in words. */
  readonly denied: ReadonlyArray<string>
  /** Absent: nobody counted. */
  readonly networkUse?: NetworkUse
}

export interface NetworkWatch {
  /** Ends the watch. Call it while the sandbox lives. */
  readonly end: Effect.Effect<Watched>
}

interface Position extends Watched {
  readonly next: number
  /** Attempts that are in the log. */
  readonly logged: number
}

const nothing: Watched = { denied: [] }
const idle: NetworkWatch = { end: Effect.succeed(nothing) }

/** Most attempts of one run of a program that its log has; of others there is the number in the metrics. */
const mostEvents = 200

/** Most refused connections that are remembered for the result. */
const mostDenied = 20

/** How long a look waits for something new, and the last one for an answer. */
const patience = Duration.seconds(20)
const lastLook = Duration.seconds(2)

const nameCharacters = 253

const placeOf = ({ name, port }: NetworkAttempt) => {
  const host = cut(shownName(name), nameCharacters)
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

const secretEventOf = (attempt: NetworkAttempt, secret: string) => ({
  level: "info" as const,
  event: "secret_used" as const,
  message: `Secret ${secret} used at ${placeOf(attempt)}`,
  data: { at: attempt.at, secret, name: cut(shownName(attempt.name), nameCharacters), port: attempt.port }
})

/** That the policy lets a program connect does not mean that there was something. */
const messageOf = (attempt: NetworkAttempt) => {
  const { decision, reason } = attempt
  const why = reason === undefined ? "" : `: ${reason}`
  return `Connection to ${placeOf(attempt)} ${decision === "allowed" ? "allowed" : "refused"}${why}`
}

const eventOf = (attempt: NetworkAttempt) => {
  if (attempt.secret !== undefined) return secretEventOf(attempt, attempt.secret)
  const { at, decision, name, port, protocol, reason } = attempt
  const isAllowed = decision === "allowed"
  return {
    level: isAllowed ? ("info" as const) : ("warn" as const),
    event: isAllowed ? ("network_allowed" as const) : ("network_denied" as const),
    message: messageOf(attempt),
    data: { at, protocol, name: cut(shownName(name), nameCharacters), port, ...(reason && { reason }) }
  }
}

const inWords = (attempt: NetworkAttempt) => `${placeOf(attempt)} (${attempt.reason ?? "denied"})`

const useOf = ({ connections, denied, receivedBytes, sentBytes }: NetworkReport["use"]): NetworkUse => ({
  connections,
  denied,
  sentBytes,
  receivedBytes
})

const add = (one: NetworkUse | undefined, other: NetworkUse): NetworkUse => ({
  connections: (one?.connections ?? 0) + other.connections,
  denied: (one?.denied ?? 0) + other.denied,
  sentBytes: (one?.sentBytes ?? 0) + other.sentBytes,
  receivedBytes: (one?.receivedBytes ?? 0) + other.receivedBytes
})

type Report = (from: number, wait?: Duration.Duration) => Effect.Effect<NetworkReport, SandboxFailure>

/** Writes down what a program connects to while it runs, where the sandbox tells. */
export const begin: (
  execution: AcceptedExecution
) => Effect.Effect<NetworkWatch, never, Sandbox | ExecutionLog | Scope.Scope> = Effect.fnUntraced(
  function* (execution) {
    const { network: report } = yield* Sandbox
    // Without a network there is nothing to be told.
    if (report === undefined || (execution.network?.mode ?? "off") === "off") return idle
    return yield* watch(execution, report)
  }
)

const watch = Effect.fnUntraced(function* (execution: AcceptedExecution, report: Report) {
  const log = yield* ExecutionLog
  const position = yield* Ref.make<Position>({ next: 0, logged: 0, denied: [] })

  const note = Effect.fnUntraced(function* ({ attempts: reported, next, use }: NetworkReport) {
    const { logged } = yield* Ref.get(position)
    // Whatever a program has learned may be in the names that it asks for.
    const attempts = Secrets.masked(execution.secrets, reported)
    const told = attempts.slice(0, mostEvents - logged)
    yield* Effect.forEach(told, (attempt) => log.happened(execution, eventOf(attempt)), { discard: true })
    yield* Metric.incrementBy(secretUses, attempts.filter(({ secret }) => secret !== undefined).length)
    const refused = attempts.filter(({ decision }) => decision === "denied").map(inWords)
    yield* Ref.update(position, ({ denied }) => ({
      next,
      logged: logged + told.length,
      denied: [...new Set([...denied, ...refused])].slice(0, mostDenied),
      networkUse: useOf(use)
    }))
  })
  // What was read is noted, or is read again.
  const look = (wait?: Duration.Duration) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Ref.get(position), ({ next }) =>
        Effect.flatMap(restore(Effect.disconnect(report(next, wait))), note)
      )
    )
  const following = yield* look(patience).pipe(
    Effect.retry({ schedule: Schedule.spaced("1 second"), while: ({ retryable }) => retryable }),
    Effect.forever,
    Effect.ignore,
    Effect.forkScoped
  )

  const end = Effect.gen(function* () {
    yield* Fiber.interrupt(following)
    yield* Effect.ignore(Effect.interruptible(Effect.timeoutOption(look(), lastLook)))
    const { denied, networkUse } = yield* Ref.get(position)
    if (networkUse === undefined) return nothing
    yield* Ref.update(execution.networkUse, (sofar) => add(sofar, networkUse))
    return { denied, networkUse }
  })
  const begun: NetworkWatch = { end }
  return begun
})
