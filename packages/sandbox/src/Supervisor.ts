import type { SentSignal } from "@bulkhead/domain"
import { Cause, type Context, Deferred, Duration, Effect, Exit, FiberId, Option } from "effect"
import { succeedsWithin } from "./Bounded.js"
import * as CommandWatch from "./CommandWatch.js"
import * as Deadline from "./Deadline.js"
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

export interface Supervision {
  readonly sandbox: Context.Tag.Service<Sandbox>
  readonly program: Program
  readonly limits: LimitValues
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  readonly killSwitch: KillSwitch
  readonly onStart: Effect.Effect<void>
  readonly onSignal: (signal: SentSignal) => Effect.Effect<void>
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
export const supervise = Effect.fnUntraced(function* (supervision: Supervision) {
  const { killSwitch, limits, onSignal, onStart, program, sandbox, timeout } = supervision
  const grace = Duration.seconds(limits.killGracePeriod)
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()

  let startedAt: number | undefined
  /** Done when the program has begun, and in any case when it is its turn to end. */
  const news = Deferred.unsafeMake<void>(FiberId.none)
  const turn = Deferred.unsafeMake<Turn>(FiberId.none)
  const ended = Deferred.unsafeMake<Ending>(FiberId.none)
  const begin = () => {
    startedAt ??= now()
    Deferred.unsafeDone(news, Exit.void)
  }
  const decide = (decision: Turn) => {
    Deferred.unsafeDone(turn, Exit.succeed(decision))
    Deferred.unsafeDone(news, Exit.void)
  }
  const mustStop = (reason: StopReason) => decide({ _tag: "MustStop", reason })

  const { learned, listener } = CommandWatch.make(program, limits, {
    onBegin: begin,
    onFlood: () => mustStop({ _tag: "OutputLimit", graceful: true })
  })
  const { env, line, user } = program
  const lifetime = Duration.sum(Duration.sum(timeout, grace), thirdWall)
  const command = sandbox.run({ line, user, env, lifetime, ...listener })
  const onEnd = (exit: Exit.Exit<CommandExit, SandboxFailure>) => {
    const ending = endingOf(exit)
    Deferred.unsafeDone(ended, Exit.succeed(ending))
    decide(ending)
  }

  // Behind a supervisor in the sandbox, the grace is over when our own deadline comes.
  const isFirstWall = program.nonce === undefined
  const wall = isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall)
  const watchClock = Effect.map(
    Deadline.passed({ start: startBound, run: wall }, () => startedAt),
    (late) =>
      late === "start"
        ? decide({ _tag: "Lost", failure: lateStart })
        : mustStop({ _tag: "Deadline", graceful: isFirstWall })
  )

  let isStartTold = false
  const tellStart = Effect.suspend(() => {
    if (startedAt === undefined || isStartTold) return Effect.void
    isStartTold = true
    return onStart
  })
  const sinceStart = () => (startedAt === undefined ? 0 : now() - startedAt)
  const signals: Array<SentSignal> = []
  const send = Effect.fnUntraced(function* (signal: SentSignal["signal"]) {
    const sent = { signal, atMs: sinceStart() }
    const sendNow = Effect.tapError(sandbox.signal(signal), (error) =>
      Effect.logDebug("Signal not sent", error)
    )
    if (!(yield* succeedsWithin(sendNow, signalBound))) return
    signals.push(sent)
    yield* tellStart
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
    yield* Deferred.await(news)
    yield* tellStart
    const first = yield* Deferred.await(turn)
    const ending: Ending =
      first._tag === "MustStop"
        ? {
            _tag: "Stopped",
            reason: first.reason,
            exit: yield* stop(first.reason.graceful ? grace : Duration.zero)
          }
        : first
    // It may have begun while it was being stopped.
    yield* tellStart
    const hasStarted = startedAt !== undefined
    const facts = learned()
    const outcome: Outcome = {
      ...facts,
      ending: isFirstWall || facts.report !== undefined ? ending : unexplained(ending, hasStarted),
      signals: [...(facts.report?.signals ?? []), ...signals],
      ...(hasStarted || (isFirstWall && ending._tag === "Exited") ? { executionTimeMs: sinceStart() } : {})
    }
    return outcome
  })

  return yield* Effect.acquireUseRelease(
    Effect.gen(function* () {
      const running = yield* Effect.fork(Effect.interruptible(command))
      const ticking = yield* Effect.fork(Effect.interruptible(watchClock))
      running.addObserver(onEnd)
      const stopListening = killSwitch.listen((request) => mustStop({ _tag: "Killed", ...request }))
      return { running, ticking, stopListening }
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

const runFailure = (message: string, cause?: unknown) =>
  new SandboxFailure({ code: "INTERNAL_ERROR", phase: "run", message, retryable: false, cause })

const silence = runFailure("The supervisor in the sandbox ended without a report")

const endingOf = Exit.match({
  onFailure: (cause: Cause.Cause<SandboxFailure>): Ending => ({
    _tag: "Lost",
    failure: Option.getOrElse(Cause.failureOption(cause), () =>
      runFailure("The command failed unexpectedly", Cause.squash(cause))
    )
  }),
  onSuccess: (exit: CommandExit): Ending => ({ _tag: "Exited", exit })
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
