import { type ExecutionResult, type ExecutionUpdate, Harmless } from "@bulkhead/domain"
import { Effect, Ref, Stream } from "effect"
import { Output, type OutputClosed, type Sink, tell } from "../terminal/Output.js"
import type { StatusLine } from "../terminal/StatusLine.js"

/** How far an execution is, as its reader knows. */
export type Stage = "beginning" | "queued" | "running"

export interface ReadingOptions {
  /** Whether also a terminal gets the bytes as they are. */
  readonly raw: boolean
  readonly stage: Ref.Ref<Stage>
}

/** One of the program's streams, on its way to one of ours. */
const streamTo = (sink: Sink, status: StatusLine, raw: boolean) =>
  Effect.map(Effect.all({ written: Ref.make(0), hasGap: Ref.make(false) }), ({ hasGap, written }) => {
    const write = (text: string) => {
      const shown = raw || !sink.isTerminal ? text : Harmless.text(text)
      return Effect.zipRight(
        sink.isTerminal ? status.around(shown, sink.write(shown)) : sink.write(shown),
        Ref.update(written, (bytes) => bytes + Buffer.byteLength(text))
      )
    }
    return {
      /** Output that came. After a gap the rest is left to the result, which has it all. */
      next: ({ offset, text }: { readonly offset: number; readonly text: string }) =>
        Effect.flatMap(Ref.get(written), (bytes) => (offset === bytes ? write(text) : Ref.set(hasGap, true))),
      /** The program is run anew. */
      restart: Effect.zipRight(Ref.set(written, 0), Ref.set(hasGap, false)),
      missed: Ref.set(hasGap, true),
      /** What the result has and was not read along. Whether that is all. */
      rest: (text: string): Effect.Effect<boolean, OutputClosed> =>
        Effect.gen(function* () {
          if (!(yield* Ref.get(hasGap))) return true
          const whole = Buffer.from(text)
          const from = yield* Ref.get(written)
          if (whole.length < from) return false
          yield* write(whole.subarray(from).toString())
          return true
        })
    }
  })

/**
 * Writes what an execution's program writes, every byte once and in order, until its end. Gives its result; none where
 * no result is kept.
 */
export const read = <E, R>(updates: Stream.Stream<ExecutionUpdate, E, R>, options: ReadingOptions) =>
  Effect.gen(function* () {
    const output = yield* Output
    const stdout = yield* streamTo(output.stdout, output.status, options.raw)
    const stderr = yield* streamTo(output.stderr, output.status, options.raw)
    const result = yield* Ref.make<ExecutionResult | undefined>(undefined)

    const end = Effect.fnUntraced(function* (ended: ExecutionResult) {
      const whole = yield* Effect.all([stdout.rest(ended.stdout), stderr.rest(ended.stderr)])
      if (!whole.every(Boolean)) yield* tell("some output was missed, and is no longer there")
      yield* Ref.set(result, ended)
    })

    const next = (update: ExecutionUpdate): Effect.Effect<void, OutputClosed, Output> => {
      switch (update.type) {
        case "queued":
          return Ref.set(options.stage, "queued")
        case "started":
          return Ref.set(options.stage, "running")
        case "stdout":
          return stdout.next(update)
        case "stderr":
          return stderr.next(update)
        case "retrying":
          return Effect.all(
            [
              tell(`the sandbox failed, and the program is run anew: ${Harmless.line(update.reason)}`),
              stdout.restart,
              stderr.restart
            ],
            { discard: true }
          )
        case "missed":
          return Effect.all(
            [
              update.stdout === undefined ? Effect.void : stdout.missed,
              update.stderr === undefined ? Effect.void : stderr.missed
            ],
            { discard: true }
          )
        case "result":
          return end(update.result)
        case "artifact":
        case "ended":
        case "closing":
          return Effect.void
      }
    }
    yield* Stream.runForEach(updates, next)
    return yield* Ref.get(result)
  })
