import { stripVTControlCharacters } from "node:util"
import { Console, Effect, Layer } from "effect"
import { Output, type Sink } from "./Output.js"

const writer =
  (sink: Sink) =>
  (...words: ReadonlyArray<unknown>) => {
    const text = `${words.join(" ").trimEnd()}\n`
    return Effect.ignore(sink.write(sink.isTerminal ? text : stripVTControlCharacters(text)))
  }

/** What the parser of the command line prints, without colours where no terminal shows them. */
export const layer = Layer.unwrapEffect(
  Effect.flatMap(Output, ({ stderr, stdout }) =>
    Console.consoleWith((console) =>
      Effect.succeed(Console.setConsole({ ...console, log: writer(stdout), error: writer(stderr) }))
    )
  )
)
