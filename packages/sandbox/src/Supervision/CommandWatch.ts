import type { SecretForms } from "@bulkhead/masking"
import { Deferred, Effect, Ref, type Scope } from "effect"
import type { LimitValues } from "../Limits.js"
import {
  type CommandEvent,
  type CommandEvents,
  type CommandExit,
  SandboxFailure
} from "../Sandboxes/SandboxProvider.js"
import * as SteadyClock from "../SteadyClock.js"
import { type GuestReport, GuestVoice, type Heard } from "./GuestReport.js"
import { type CollectedOutput, Output } from "./Output.js"
import type { Program } from "./Program.js"

/** What the supervisor in the sandbox said, as far as it has spoken. */
export interface Said {
  /** The kind of cgroup it found, or `none`. */
  readonly cgroup?: string
  /** The ways to it that it could not shut before there was a program. Absent: it has not spoken. */
  readonly ways?: ReadonlyArray<string>
  readonly report?: GuestReport
  /** It said twice what it says once: somebody else speaks in its name. */
  readonly isContradicted?: true
}

/** Everything that is learned of one program from the command that runs it. */
export interface CommandWatch {
  /** Follows the command to its end. */
  readonly follow: (
    run: Effect.Effect<CommandEvents, SandboxFailure, Scope.Scope>
  ) => Effect.Effect<CommandExit, SandboxFailure>
  /**
   * Waits until the program runs, under a supervisor when that says so, else when the command does; in milliseconds
   * since the epoch.
   */
  readonly begun: Effect.Effect<number>
  /** When the program began to run, if it did. */
  readonly startedAt: Effect.Effect<number | undefined>
  /** Whether the supervisor has reported: the program is over, and only its output may still be on its way. */
  readonly hasReported: Effect.Effect<boolean>
  /** Waits until the program has written more than it may. */
  readonly flooded: Effect.Effect<void>
  /** What is known by now. Nothing is learned afterwards. */
  readonly learned: Effect.Effect<CollectedOutput & Said>
}

const withoutEnd = new SandboxFailure({
  code: "INTERNAL_ERROR",
  phase: "run",
  message: "The command's end was not told",
  retryable: false
})

const contradicted = (known: Said): Said => ({ ...known, isContradicted: true })

const encoder = new TextEncoder()

/** Who is told of a program while it runs. */
export interface Listener {
  /** Runs when the program begins, before anything that it writes is looked at. */
  readonly onStart: Effect.Effect<void>
  /** Runs with everything that the program writes and that counts, as UTF-8. */
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => Effect.Effect<void>
  /** What must be masked in it before anybody sees it. Absent: nothing. */
  readonly hidden?: SecretForms
}

/** Watches for one program. */
export const make = Effect.fnUntraced(function* (
  { nonce }: Program,
  limits: LimitValues,
  { hidden, onOutput, onStart }: Listener
): Effect.fn.Return<CommandWatch> {
  // Behind a supervisor, who counts what was written: what is not UTF-8 comes up to three times as long.
  const output = new Output(
    nonce === undefined ? limits : { ...limits, hardOutputBytes: 3 * limits.hardOutputBytes }
  )
  const voice = nonce === undefined ? undefined : new GuestVoice(nonce)
  const said = yield* Ref.make<Said>({})
  const begun = yield* Deferred.make<number>()
  const flooded = yield* Deferred.make<void>()
  const startedAt = yield* Ref.make<number | undefined>(undefined)
  const exit = yield* Ref.make<CommandExit | undefined>(undefined)

  const begin = Effect.gen(function* () {
    if ((yield* Ref.get(startedAt)) !== undefined) return
    const now = yield* SteadyClock.now
    yield* Ref.set(startedAt, now)
    yield* onStart
    yield* Deferred.succeed(begun, now)
  })

  /** Whether all is said: what comes later is in no result. */
  const isClosed = yield* Ref.make(false)

  const masks = hidden && { stdout: hidden.stream(), stderr: hidden.stream() }

  const append = (stream: "stdout" | "stderr", text: string) =>
    Effect.gen(function* () {
      if (yield* Ref.get(isClosed)) return
      const bytes = encoder.encode(text)
      yield* keep(stream, masks === undefined ? bytes : masks[stream].next(bytes))
    })

  const keep = (stream: "stdout" | "stderr", bytes: Uint8Array) =>
    Effect.gen(function* () {
      if (bytes.length === 0) return
      output.append(stream, bytes)
      yield* onOutput(stream, bytes)
      if (output.isFlood) yield* Deferred.succeed(flooded, undefined)
    })

  /** What looked like the beginning of something hidden, and has ended. */
  const keepRest = Effect.suspend(() =>
    masks === undefined
      ? Effect.void
      : Effect.zipRight(keep("stdout", masks.stdout.end()), keep("stderr", masks.stderr.end()))
  )

  const take = (heard: Heard): Effect.Effect<void> => {
    switch (heard._tag) {
      case "Text":
        return append("stderr", heard.text)
      case "Started":
        return Effect.zipRight(
          Ref.update(said, (known) =>
            known.ways === undefined
              ? { ...known, cgroup: heard.cgroup, ways: heard.ways }
              : contradicted(known)
          ),
          begin
        )
      case "Reported":
        return Ref.update(said, (known) =>
          known.report === undefined ? { ...known, report: heard.report } : contradicted(known)
        )
    }
  }

  const see = (event: CommandEvent): Effect.Effect<void> => {
    switch (event._tag) {
      case "Started":
        return voice === undefined ? begin : Effect.void
      case "Output":
        return voice !== undefined && event.stream === "stderr"
          ? Effect.forEach(voice.hear(event.text), take, { discard: true })
          : append(event.stream, event.text)
      case "Ended":
        return Ref.set(exit, event.exit)
    }
  }

  return {
    follow: (run) =>
      Effect.gen(function* () {
        const events = yield* run
        for (let isOver = false; !isOver; ) {
          const [some, isLast] = yield* events.takeAll
          for (const event of some) yield* see(event)
          isOver = isLast
        }
        return (yield* Ref.get(exit)) ?? (yield* withoutEnd)
      }).pipe(Effect.scoped),
    begun: Deferred.await(begun),
    startedAt: Ref.get(startedAt),
    hasReported: Effect.map(Ref.get(said), ({ report }) => report !== undefined),
    flooded: Deferred.await(flooded),
    learned: Effect.gen(function* () {
      yield* Effect.forEach(voice?.end() ?? [], take, { discard: true })
      yield* keepRest
      yield* Ref.set(isClosed, true)
      const hasMore = (yield* Ref.get(startedAt)) !== undefined && (yield* Ref.get(exit)) === undefined
      return { ...output.collected(hasMore), ...(yield* Ref.get(said)) }
    })
  }
})
