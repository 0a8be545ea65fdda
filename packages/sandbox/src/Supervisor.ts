import type { SentSignal } from "@bulkhead/domain"
import { Clock, type Context, Deferred, Duration, Effect, Either, Exit, Option } from "effect"
import * as CommandWatch from "./CommandWatch.js"
import type { KillRequest, KillSwitch } from "./KillSwitch.js"
import type { LimitValues } from "./Limits.js"
import type { CollectedOutput } from "./Output.js"
import type { Program } from "./Program.js"
import { type CommandExit, type Sandbox, SandboxFailure } from "./SandboxProvider.js"

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

/** What came first: the end of the program, or a reason to end it. */
type Turn = Ending | { readonly _tag: "MustStop"; readonly reason: StopReason }

/** What is known of a program that no longer runs. */
export interface Outcome extends CollectedOutput, CommandWatch.Said {
  readonly ending: Ending
  readonly signals: ReadonlyArray<SentSignal>
  /** Absent: the program never started. */
  readonly executionTimeMs?: number
}

export interface Supervision<R> {
  readonly sandbox: Context.Tag.Service<Sandbox>
  readonly program: Program
  readonly limits: LimitValues
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  readonly killSwitch: KillSwitch
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

/** Runs a program in a sandbox until it ends or must end. Never fails: a lost sandbox is an ending like others. */
export const supervise = Effect.fnUntraced(function* <R>(supervision: Supervision<R>) {
  const { killSwitch, limits, onSignal, onStart, program, sandbox, timeout } = supervision
  const grace = Duration.seconds(limits.killGracePeriod)
  const begun = yield* Deferred.make<void>()
  const started = yield* Deferred.make<number>()
  const ended = yield* Deferred.make<Ending>()
  const turn = yield* Deferred.make<Turn>()
  const decide = (decision: Turn) => Deferred.unsafeDone(turn, Exit.succeed(decision))
  const mustStop = (reason: StopReason) => decide({ _tag: "MustStop", reason })

  const { learned, listener } = CommandWatch.make(program, limits, {
    onBegin: () => Deferred.unsafeDone(begun, Exit.void),
    onFlood: () => mustStop({ _tag: "OutputLimit", graceful: true })
  })
  const { env, line, user } = program
  const lifetime = Duration.sum(Duration.sum(timeout, grace), thirdWall)
  const command = Effect.map(
    Effect.either(sandbox.run({ line, user, env, lifetime, ...listener })),
    (result) => {
      const ending = endingOf(result)
      Deferred.unsafeDone(ended, Exit.succeed(ending))
      decide(ending)
    }
  )

  // Behind a supervisor in the sandbox, the grace is over when our own deadline comes.
  const isFirstWall = program.nonce === undefined
  const wall = isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall)
  const clock = Effect.gen(function* () {
    const inTime = Option.isSome(yield* within(begun, startBound))
    const startedAt = yield* Clock.currentTimeMillis
    if (inTime) yield* onStart
    yield* Deferred.succeed(started, startedAt)
    if (!inTime) return decide({ _tag: "Lost", failure: lateStart })
    yield* Effect.sleep(wall)
    mustStop({ _tag: "Deadline", graceful: isFirstWall })
  })

  const sinceStart = Effect.gen(function* () {
    const startedAt = yield* Deferred.poll(started)
    return Option.isNone(startedAt) ? 0 : (yield* Clock.currentTimeMillis) - (yield* startedAt.value)
  })
  /** What is done at the start is done before anything that comes after it. */
  const whetherStarted = Effect.tap(Deferred.isDone(begun), (hasBegun) =>
    hasBegun ? Deferred.await(started) : Effect.void
  )
  const signals: Array<SentSignal> = []
  const send = Effect.fnUntraced(function* (signal: SentSignal["signal"]) {
    const sent = { signal, atMs: yield* sinceStart }
    if (!(yield* succeedsWithin(sandbox.signal(signal), signalBound))) return
    signals.push(sent)
    yield* onSignal(sent)
  })
  const exitWithin = (period: Duration.Duration) => Effect.map(within(ended, period), Option.map(exitOf))

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

  const untilEnd = Effect.gen(function* () {
    const first = yield* Deferred.await(turn)
    yield* whetherStarted
    const ending: Ending =
      first._tag === "MustStop"
        ? {
            _tag: "Stopped",
            reason: first.reason,
            exit: yield* stop(first.reason.graceful ? grace : Duration.zero)
          }
        : first
    // It may have begun while it was being stopped.
    const hasStarted = yield* whetherStarted
    const facts = learned()
    const executionTimeMs = yield* sinceStart
    const outcome: Outcome = {
      ...facts,
      ending: isFirstWall || facts.report !== undefined ? ending : unexplained(ending, hasStarted),
      signals: [...(facts.report?.signals ?? []), ...signals],
      ...(hasStarted || (isFirstWall && ending._tag === "Exited") ? { executionTimeMs } : {})
    }
    return outcome
  })

  return yield* Effect.acquireUseRelease(
    Effect.all({
      running: Effect.fork(Effect.interruptible(command)),
      ticking: Effect.fork(Effect.interruptible(clock)),
      stopListening: Effect.sync(() =>
        killSwitch.listen((request) => mustStop({ _tag: "Killed", ...request }))
      )
    }),
    () => untilEnd,
    // Nobody waits for a command that does not end: its sandbox will.
    ({ running, stopListening, ticking }) =>
      Effect.sync(() => {
        stopListening()
        for (const fiber of [running, ticking]) fiber.unsafeInterruptAsFork(fiber.id())
      })
  )
})

/** What is there already needs no clock. */
const within = <A>(deferred: Deferred.Deferred<A>, period: Duration.Duration) =>
  Effect.flatMap(Deferred.poll(deferred), (value) =>
    Option.isSome(value) ? Effect.asSome(value.value) : Effect.timeoutOption(Deferred.await(deferred), period)
  )

const startFailure = (code: "ETIMEDOUT" | "INTERNAL_ERROR", message: string) =>
  new SandboxFailure({ code, phase: "start", message, retryable: code === "ETIMEDOUT" })

const lateStart = startFailure("ETIMEDOUT", "The program did not start in time")

const silence = new SandboxFailure({
  code: "INTERNAL_ERROR",
  phase: "run",
  message: "The supervisor in the sandbox ended without a report",
  retryable: false
})

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
