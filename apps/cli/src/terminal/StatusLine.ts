import { Effect, Ref } from "effect"
import { Output } from "./Output.js"

const erase = "\r\u001b[K"

/** One line below a program's output that says how far it is. Only a terminal has one. */
export const make = Effect.gen(function* () {
  const { stderr } = yield* Output
  const alone = yield* Effect.makeSemaphore(1)
  const isShown = yield* Ref.make(false)
  const isAtLineStart = yield* Ref.make(true)
  const hide = Effect.flatMap(Ref.getAndSet(isShown, false), (wasShown) =>
    wasShown ? Effect.ignore(stderr.write(erase)) : Effect.void
  )
  const show = (words: string) =>
    Effect.flatMap(stderr.columns, (columns) =>
      Effect.zipRight(
        Ref.set(isShown, true),
        Effect.ignore(stderr.write(`${erase}${words.slice(0, columns - 1)}`))
      )
    )
  yield* Effect.addFinalizer(() => hide)
  return {
    /** Shows these words in place of those before, unless the cursor is in the middle of a program's line. */
    set: (words: string) =>
      Effect.whenEffect(show(words), Ref.get(isAtLineStart)).pipe(
        alone.withPermits(1),
        Effect.when(() => stderr.isTerminal)
      ),
    /** Writes something that shares the terminal, out of the line's way. */
    around: <E, R>(text: string, write: Effect.Effect<void, E, R>) =>
      Effect.all([hide, write, Ref.set(isAtLineStart, text.endsWith("\n"))], { discard: true }).pipe(
        alone.withPermits(1)
      ),
    hide: alone.withPermits(1)(hide)
  }
})

export type StatusLine = Effect.Effect.Success<typeof make>
