import type { SentSignal } from "@bulkhead/domain"
import { Clock, Deferred, Duration, Effect, Either, Fiber, Option, type Scope } from "effect"
import * as CommandWatch from "./CommandWatch.js"
import type { KillRequest } from "./ExecutionRegistry.js"
import { Limits } from "./Limits.js"
import type { CollectedOutput } from "./Output.js"
import type { Program } from "./Program.js"
import { type CommandExit, Sandbox, SandboxFailure } from "./SandboxProvider.js"

/** Why a running program must be stopped, and whether it gets the grace period. */
export type StopReason =
  | { readonly _tag: "Deadline"; readonly graceful: boolean }
  | { readonly _tag: "OutputLimit"; readonly graceful: boolean }
  | ({ readonly _tag: "Killed" } & KillRequest)

/** Why a program no longer runs, with its own exit where that was seen. */
export type Ending =
  | { readonly _tag: "Exited"; readonly exit: CommandExit }
  | { readonly _tag: "Stopped"; readonly reason: StopReason; readonly exit: CommandExit }
  | { readonly _tag: "Lost"; readonly failure: SandboxFailure }

/** What is known of a program that no longer runs. */
export interface Outcome extends CollectedOutput, CommandWatch.Said {
  readonly ending: Ending
  readonly signals: ReadonlyArray<SentSignal>
  /** Absent: the program never started. */
  readonly executionTimeMs?: number
}

export interface Supervision<R> {
  readonly program: Program
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  /** Completes when the program is to be killed. */
  readonly killed: Deferred.Deferred<KillRequest>
  readonly onStart: Effect.Effect<void, never, R>
  readonly onSignal: (signal: SentSignal) => Effect.Effect<void, never, R>
}

/** How long a killed program may take to be reported dead before the sandbox is destroyed around it. */
const deathNotice = Duration.seconds(2)

/** How long a program may take to start once its sandbox is there. */
const startBound = Duration.seconds(30)

/** How long sending a signal may take. */
const signalBound = Duration.seconds(5)

/** Each wall stands this far behind the one before it: the supervisor in the sandbox, we, the provider. */
const secondWall = Duration.seconds(3)
const thirdWall = Duration.seconds(30)

/** Runs a program in the sandbox at hand until it ends or must end. Never fails: a lost sandbox is an ending like others. */
export const supervise: <R>(
  supervision: Supervision<R>
) => Effect.Effect<Outcome, never, Sandbox | Limits | Scope.Scope | R> = Effect.fn("Supervisor.supervise")(
  function* <R>({ program, timeout, killed, onStart, onSignal }: Supervision<R>) {
    const sandbox = yield* Sandbox
    const grace = Duration.seconds((yield* Limits).killGracePeriod)
    const { started, flooded, listener, learned } = yield* CommandWatch.make(program)

    const { line, user, env } = program
    const lifetime = Duration.sum(Duration.sum(timeout, grace), thirdWall)
    const command = yield* sandbox
      .run({ line, user, env, lifetime, ...listener })
      .pipe(Effect.raceFirst(startsInTime(started)), Effect.either, Effect.forkScoped)
    const ended = Effect.map(Fiber.join(command), endingOf)

    yield* Effect.raceAll([Deferred.await(started), ended, Deferred.await(killed)])
    const startedAt = yield* Clock.currentTimeMillis
    const sinceStart = Effect.map(Clock.currentTimeMillis, (now) => now - startedAt)
    const hasStarted = yield* Deferred.isDone(started)
    if (hasStarted) yield* onStart

    const signals: Array<SentSignal> = []
    const send = Effect.fnUntraced(function* (signal: SentSignal["signal"]) {
      const sent = { signal, atMs: yield* sinceStart }
      if (!(yield* succeedsWithin(sandbox.signal(signal), signalBound))) return
      signals.push(sent)
      yield* onSignal(sent)
    })
    const exitWithin = (period: Duration.Duration) =>
      Effect.map(Effect.timeoutOption(ended, period), Option.map(exitOf))

    /** SIGTERM to the whole tree, the grace to end by itself, then SIGKILL. */
    const stop = Effect.fnUntraced(function* (period: Duration.Duration) {
      if (!Duration.equals(period, Duration.zero)) {
        yield* send("SIGTERM")
        const exit = yield* exitWithin(period)
        if (Option.isSome(exit)) return exit.value
      }
      yield* send("SIGKILL")
      return Option.getOrElse(yield* exitWithin(deathNotice), (): CommandExit => ({}))
    })
    const stopBecause = (reason: StopReason) =>
      Effect.map(
        stop(reason.graceful ? grace : Duration.zero),
        (exit): Ending => ({ _tag: "Stopped", reason, exit })
      )

    const mustStop = Effect.raceFirst(
      Effect.map(Deferred.await(killed), (request): StopReason => ({ _tag: "Killed", ...request })),
      Effect.as(Deferred.await(flooded), { _tag: "OutputLimit", graceful: true } as StopReason)
    )
    // Behind a supervisor in the sandbox, the grace is over when our own deadline comes.
    const isFirstWall = program.nonce === undefined
    const wall = isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall)
    const ending = yield* Effect.raceFirst(ended, Effect.flip(mustStop)).pipe(
      Effect.timeoutFail({
        duration: wall,
        onTimeout: (): StopReason => ({ _tag: "Deadline", graceful: isFirstWall })
      }),
      Effect.catchAll(stopBecause)
    )
    const executionTimeMs = yield* sinceStart
    const facts = yield* learned
    return {
      ...facts,
      ending: isFirstWall || facts.report !== undefined ? ending : unexplained(ending, hasStarted),
      signals: [...(facts.report?.signals ?? []), ...signals],
      ...(hasStarted || (isFirstWall && ending._tag === "Exited") ? { executionTimeMs } : {})
    }
  }
)

const startFailure = (code: "ETIMEDOUT" | "INTERNAL_ERROR", message: string) =>
  new SandboxFailure({ code, phase: "start", message, retryable: code === "ETIMEDOUT" })

const silence = new SandboxFailure({
  code: "INTERNAL_ERROR",
  phase: "run",
  message: "The supervisor in the sandbox ended without a report",
  retryable: false
})

/** Fails when the start does not come in time, and never succeeds. */
const startsInTime = (started: Deferred.Deferred<void>) =>
  Deferred.await(started).pipe(
    Effect.timeoutFail({
      duration: startBound,
      onTimeout: () => startFailure("ETIMEDOUT", "The program did not start in time")
    }),
    Effect.zipRight(Effect.never)
  )

/** Tries, and gives up after a while without waiting for the attempt to be cleaned up. */
const succeedsWithin = <E, R>(effect: Effect.Effect<void, E, R>, period: Duration.Duration) =>
  effect.pipe(
    Effect.tapError((error) => Effect.logDebug("Signal not sent", error)),
    Effect.isSuccess,
    Effect.disconnect,
    Effect.timeoutTo({ duration: period, onSuccess: (done) => done, onTimeout: () => false })
  )

const endingOf = Either.match({
  onLeft: (failure: SandboxFailure): Ending => ({ _tag: "Lost", failure }),
  onRight: (exit: CommandExit): Ending => ({ _tag: "Exited", exit })
})

const exitOf = (ending: Ending): CommandExit => (ending._tag === "Lost" ? {} : ending.exit)

/** The end of a supervisor that gave no report is not the program's; one that had not begun never ran it. */
const unexplained = (ending: Ending, hasStarted: boolean): Ending =>
  ending._tag === "Exited"
    ? {
        _tag: "Lost",
        failure: hasStarted
          ? silence
          : startFailure("INTERNAL_ERROR", "The supervisor in the sandbox did not start")
      }
    : ending
