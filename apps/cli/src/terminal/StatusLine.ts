import { Effect, Ref } from "effect"
import type { Sink } from "./Output.js"

const erase = "\r\u001b[K"

/** One line below what programs write, which says how far something is. Only a terminal has one. */
export interface StatusLine {
  /** Shows these words in place of those before, unless the cursor is in the middle of a program's line. */
  readonly set: (words: string) => Effect.Effect<void>
  readonly hide: Effect.Effect<void>
  /** Writes a program's text, which shares the terminal, out of the line's way. */
  readonly around: <E, R>(text: string, write: Effect.Effect<void, E, R>) => Effect.Effect<void, E, R>
  /** Writes a line of the command's own, which begins where a line begins. */
  readonly above: (line: string) => Effect.Effect<void>
}

export const make = (stderr: Sink): Effect.Effect<StatusLine> =>
  Effect.gen(function* () {
    const alone = yield* Effect.makeSemaphore(1)
    const isShown = yield* Ref.make(false)
    const isAtLineStart = yield* Ref.make(true)
    const write = (text: string) => Effect.ignore(stderr.write(text))
    const hide = Effect.whenEffect(write(erase), Ref.getAndSet(isShown, false))
    const show = (words: string) =>
      Effect.flatMap(stderr.columns, (columns) =>
        Effect.zipRight(Ref.set(isShown, true), write(`${erase}${words.slice(0, columns - 1)}`))
      )
    return {
      set: (words) =>
        Effect.whenEffect(show(words), Ref.get(isAtLineStart)).pipe(
          Effect.when(() => stderr.isTerminal),
          alone.withPermits(1),
          Effect.asVoid
        ),
      hide: Effect.asVoid(alone.withPermits(1)(hide)),
      around: (text, write) =>
        Effect.all([hide, write, Ref.set(isAtLineStart, text.endsWith("\n"))], { discard: true }).pipe(
          alone.withPermits(1)
        ),
      above: (line) =>
        Effect.gen(function* () {
          yield* hide
          const isBetweenLines = yield* Ref.getAndSet(isAtLineStart, true)
          yield* write(`${isBetweenLines ? "" : "\n"}${line}\n`)
        }).pipe(alone.withPermits(1))
    }
  })
