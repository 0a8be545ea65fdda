import { Data, Duration, Effect, Option, Ref, Schedule, type Scope, Stream, SubscriptionRef } from "effect"
import {
  IsolationUnavailable,
  type LauncherDied,
  LaunchFailed,
  type NoFreeSlot,
  NoLauncher
} from "../HostErrors.js"
import * as LauncherProcess from "./LauncherProcess.js"
import type { Numbering } from "./Numbering.js"

/** Whether sandboxes can be made. */
export interface LauncherHealth {
  /** `recovering`: the next launcher is on its way. `down`: the last one did not start, and it is tried again. */
  readonly state: "up" | "recovering" | "down"
  /** Present unless it is up. */
  readonly reason?: string
  /** Launchers that were started in the place of one that died. */
  readonly restarts: number
}

/** Starts sandboxes, with a process that is started again when it dies. */
export interface Launcher {
  /** Starts a sandbox. It is killed, and known dead, when the scope has closed. */
  readonly launch: Effect.Effect<
    LauncherProcess.Launched,
    LaunchFailed | LauncherDied | NoFreeSlot | NoLauncher,
    Scope.Scope
  >
  readonly health: Effect.Effect<LauncherHealth>
}

export interface LauncherOptions extends LauncherProcess.LauncherSetup {
  readonly numbering: Numbering
}

type State = Data.TaggedEnum<{
  /** The first one, or one in the place of one that died, which `reason` says. */
  Starting: { readonly reason: string }
  Up: { readonly process: LauncherProcess.LauncherProcess }
  /** The last one did not start, or died at once. It is tried again. */
  Down: LauncherProcess.Death
}>
const State = Data.taggedEnum<State>()

/** It died just after it was ready: so may the next. */
class DiedAtOnce extends Data.TaggedError("DiedAtOnce")<LauncherProcess.Death> {}

/** A launcher that lived no longer than this had no life of its own. */
const shortLife = Duration.millis(250)

/** How long tries to start one that does not start, or dies at once, are apart. */
const pace = Schedule.union(Schedule.exponential("50 millis"), Schedule.spaced("1 second"))

/** How long a launch waits for a launcher that is being started: much longer than that takes. */
const patience = Duration.seconds(5)

const recovering = (reason: string) =>
  `The launcher of the sandboxes died and is being started again: ${reason}`
const down = (reason: string) => `The launcher of the sandboxes cannot be started again: ${reason}`

type Current = SubscriptionRef.SubscriptionRef<State>

/** Waits for what came of the first. */
const first = (current: Current) =>
  current.changes.pipe(
    Stream.filter((state) => state._tag !== "Starting"),
    Stream.runHead,
    Effect.flatten,
    Effect.orDie
  )

/** One that has just died may still be there. */
const aliveIn = (state: State) =>
  state._tag === "Up"
    ? Effect.map(state.process.isAlive, (isAlive) => (isAlive ? Option.some(state.process) : Option.none()))
    : Effect.succeedNone

/** The launcher that is up, or soon will be. */
const processOf = Effect.fnUntraced(function* (current: Current) {
  const now = yield* Effect.flatMap(SubscriptionRef.get(current), aliveIn)
  if (Option.isSome(now)) return now.value
  return yield* current.changes.pipe(
    Stream.mapEffect(aliveIn),
    Stream.filterMap((alive) => alive),
    Stream.runHead,
    Effect.flatten,
    Effect.orDie,
    Effect.timeoutTo({ duration: patience, onSuccess: Effect.succeed, onTimeout: () => refuse(current) }),
    Effect.flatten
  )
})

const refuse = (current: Current) =>
  Effect.flatMap(SubscriptionRef.get(current), (state) => {
    const message = conditionOf(state).reason ?? recovering("it died just now")
    return new NoLauncher({ message })
  })

type Condition = Omit<LauncherHealth, "restarts">

const conditionOf = State.$match({
  Up: (): Condition => ({ state: "up" }),
  Starting: ({ reason }): Condition => ({ state: "recovering", reason: recovering(reason) }),
  Down: ({ reason }): Condition => ({ state: "down", reason: down(reason) })
})

/** Runs launchers, one after the other, and tells of each change. */
const supervise = Effect.fnUntraced(function* (options: LauncherOptions, current: Current) {
  const runs = yield* Ref.make(0)

  const live = Effect.gen(function* () {
    const process = yield* LauncherProcess.make(options, yield* options.numbering.nextLauncher)
    const restarts = yield* Ref.getAndUpdate(runs, (count) => count + 1)
    if (restarts > 0)
      yield* Effect.logWarning("The launcher of the sandboxes was started again", { restarts })
    yield* SubscriptionRef.set(current, State.Up({ process }))
    const [lived, death] = yield* Effect.timed(process.ended)
    if (Duration.lessThan(lived, shortLife)) return yield* new DiedAtOnce(death)
    yield* SubscriptionRef.set(current, State.Starting(death))
    yield* Effect.logError(recovering(death.reason), { deaths: restarts + 1, said: death.said })
  }).pipe(Effect.scoped)

  /** Said once for each reason, and not of the first launcher of all, without which there is no host. */
  const onFailure = ({ reason, said }: LauncherProcess.Death) =>
    Effect.gen(function* () {
      const before = yield* SubscriptionRef.getAndSet(current, State.Down({ reason, said }))
      if ((yield* Ref.get(runs)) === 0 || (before._tag === "Down" && before.reason === reason)) return
      yield* Effect.logError(down(reason), { said })
    })

  yield* live.pipe(
    Effect.catchAllDefect((defect) =>
      Effect.fail(new DiedAtOnce({ reason: "its start failed", said: String(defect) }))
    ),
    Effect.tapError(onFailure),
    Effect.retry(pace),
    Effect.forever,
    Effect.interruptible,
    Effect.forkScoped
  )
  return { restarts: Effect.map(Ref.get(runs), (count) => Math.max(0, count - 1)) }
})

/**
 * Starts a sandbox with a launcher of its own, which ends with it: for one that sees what no other does.
 */
export const launchAlone = Effect.fn("Launcher.launchAlone")(function* (options: LauncherOptions) {
  const { nextLauncher, nextSandbox, slots } = options.numbering
  const process = yield* LauncherProcess.make(options, yield* nextLauncher).pipe(
    Effect.mapError(({ reason }) => new LaunchFailed({ reason: `its launcher does not start: ${reason}` }))
  )
  const slot = yield* Effect.acquireRelease(slots.take, slots.giveBack)
  return yield* process.launch(yield* nextSandbox, slot)
})

/**
 * Starts a launcher, and another one whenever it dies, until the scope closes. Sandboxes are asked for as if there were
 * only one. Fails when the first does not start.
 */
export const make = Effect.fn("Launcher.make")(function* (options: LauncherOptions) {
  const { nextSandbox, slots } = options.numbering
  const current = yield* SubscriptionRef.make<State>(State.Starting({ reason: "" }))
  const { restarts } = yield* supervise(options, current)
  const state = yield* first(current)
  if (state._tag === "Down")
    return yield* new IsolationUnavailable({
      reason: `the launcher does not start: ${[state.reason, state.said].filter(Boolean).join(": ")}`,
      remedy: "see the reason"
    })

  const launch = Effect.gen(function* () {
    const process = yield* processOf(current)
    const slot = yield* Effect.acquireRelease(slots.take, slots.giveBack)
    return yield* process.launch(yield* nextSandbox, slot)
  })
  const health = Effect.zipWith(
    SubscriptionRef.get(current),
    restarts,
    (state, restarts): LauncherHealth => ({
      ...conditionOf(state),
      restarts
    })
  )
  return { launch, health } satisfies Launcher
})
