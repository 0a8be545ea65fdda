import type { SentSignal } from "@bulkhead/domain"
import { Cause, type Context, Deferred, Duration, Effect, Exit, FiberId, Option } from "effect"
import { KilledEarly, type KillRequest, type KillSwitch } from "../Execution/KillSwitch.js"
import type { LimitValues } from "../Limits.js"
import { Once } from "../Once.js"
import { type CommandExit, type Sandbox, SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import type { Timers } from "../Timers.js"
import * as CommandWatch from "./CommandWatch.js"
import type { CollectedOutput } from "./Output.js"
import type { Program } from "./Program.js"

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
  /** Gives the sandbox, with all in it that the program needs. Cannot be interrupted where that would lose the sandbox. */
  readonly prepare: Effect.Effect<Context.Tag.Service<Sandbox>, SandboxFailure>
  readonly program: Program
  readonly limits: LimitValues
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  readonly killSwitch: KillSwitch
  readonly timers: Timers
  readonly onStart: () => void
  readonly onSignal: (signal: SentSignal) => void
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

/**
 * Runs a program in a sandbox until it ends or must end. Fails only when the program never came as far as the sandbox; a sandbox that is
 * lost later is an ending like others. To be run where nothing interrupts it.
 */
export const supervise = Effect.fnUntraced(function* (supervision: Supervision) {
  const { killSwitch, limits, onSignal, onStart, prepare, program, timeout, timers } = supervision
  if (killSwitch.request !== undefined) return yield* new KilledEarly(killSwitch.request)
  const grace = Duration.seconds(limits.killGracePeriod)
  // Behind a supervisor in the sandbox, the grace is over when our own deadline comes.
  const isFirstWall = program.nonce === undefined
  const wall = isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall)
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()

  let sandbox: Context.Tag.Service<Sandbox> | undefined
  let startedAt: number | undefined
  let isOver = false
  let stopTimer = () => {}
  const turn = new Once<Turn>()
  const mustStop = (reason: StopReason) => turn.settle({ _tag: "MustStop", reason })
  const begin = () => {
    if (isOver || startedAt !== undefined) return
    startedAt = now()
    stopTimer()
    stopTimer = timers.after(wall, () => mustStop({ _tag: "Deadline", graceful: isFirstWall }))
    onStart()
  }
  const sinceStart = () => (startedAt === undefined ? 0 : now() - startedAt)

  const { learned, listener } = CommandWatch.make(program, limits, {
    onBegin: begin,
    onFlood: () => mustStop({ _tag: "OutputLimit", graceful: true })
  })
  const { env, line, user } = program
  const lifetime = Duration.sum(Duration.sum(timeout, grace), thirdWall)
  // Not a child of ours: a fiber waits for the end of its children, and a command may have none.
  const running = yield* Effect.forkDaemon(
    Effect.flatMap(prepare, (ready) => {
      sandbox = ready
      stopTimer = timers.after(startBound, () => turn.settle({ _tag: "Lost", failure: lateStart }))
      return Effect.interruptible(ready.run({ line, user, env, lifetime, ...listener }))
    })
  )
  const ended = Deferred.unsafeMake<Ending>(FiberId.none)
  running.addObserver((exit) => {
    const ending = endingOf(exit)
    Deferred.unsafeDone(ended, Exit.succeed(ending))
    turn.settle(ending)
  })
  const abandon = () => {
    if (running.unsafePoll() === null) running.unsafeInterruptAsFork(running.id())
  }
  let killedEarly: KilledEarly | undefined
  const stopListening = killSwitch.listen((request) => {
    if (sandbox !== undefined) return mustStop({ _tag: "Killed", ...request })
    // There is nobody to send a signal to, but soon there may be a sandbox.
    killedEarly = new KilledEarly(request)
    abandon()
  })

  const signals: Array<SentSignal> = []
  const send = (signal: SentSignal["signal"]) => {
    const sent = { signal, atMs: sinceStart() }
    const sendNow = Effect.suspend(() => sandbox?.signal(signal) ?? Effect.void)
    return Effect.map(timers.succeedsWithin(logged(sendNow), signalBound), (isSent) => {
      if (!isSent) return
      signals.push(sent)
      onSignal(sent)
    })
  }
  const first = yield* turn.settled
  const ending: Ending =
    first._tag === "MustStop"
      ? {
          _tag: "Stopped",
          reason: first.reason,
          exit: yield* stop(send, ended, first.reason.graceful ? grace : Duration.zero)
        }
      : first
  isOver = true
  stopTimer()
  stopListening()
  // Nobody waits for a command that does not end: its sandbox will.
  abandon()

  if (killedEarly !== undefined) return yield* killedEarly
  if (sandbox === undefined && ending._tag === "Lost") return yield* ending.failure
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

const logged = (sending: Effect.Effect<void, SandboxFailure>) =>
  Effect.tapError(sending, (error) => Effect.logDebug("Signal not sent", error))

const exitWithin = (ended: Deferred.Deferred<Ending>, period: Duration.Duration) =>
  Effect.map(Effect.timeoutOption(Effect.interruptible(Deferred.await(ended)), period), Option.map(exitOf))

/** SIGTERM to the whole tree, the grace to end by itself, then SIGKILL. */
const stop = Effect.fnUntraced(function* (
  send: (signal: SentSignal["signal"]) => Effect.Effect<void>,
  ended: Deferred.Deferred<Ending>,
  grace: Duration.Duration
) {
  if (!Duration.equals(grace, Duration.zero)) {
    yield* send("SIGTERM")
    const exit = yield* exitWithin(ended, grace)
    if (Option.isSome(exit)) return exit.value
  }
  yield* send("SIGKILL")
  return Option.getOrElse(yield* exitWithin(ended, deathNotice), (): CommandExit => ({}))
})

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
