import { FileSystem } from "@effect/platform"
import { Config, Effect, Option, Redacted } from "effect"
import { Failure } from "../Failure.js"

/** No token is longer. */
const mostBytes = 4096

const read = (source: string, text: string) =>
  /^[\x21-\x7e]+$/.test(text)
    ? Effect.succeed(Redacted.make(text))
    : Effect.fail(
        new Failure({ message: `${source}: expected a token of printable ASCII characters without spaces` })
      )

const readFile = Effect.fnUntraced(function* (source: string, path: string) {
  const files = yield* FileSystem.FileSystem
  const unreadable = new Failure({
    message: `${source}: the file cannot be read; name one that holds the token`
  })
  const { size, type } = yield* Effect.mapError(files.stat(path), () => unreadable)
  if (type !== "File" || size > mostBytes)
    return yield* new Failure({
      message: `${source}: expected a file of at most ${mostBytes} bytes with the token`
    })
  const text = yield* Effect.mapError(files.readFileString(path), () => unreadable)
  return yield* read(source, text.trim())
})

const variable = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.string(name))), (value) =>
    Option.filter(value, (text) => text.trim() !== "")
  )

/** The token: of the file that the command names, else of the environment or the file that it names. Perhaps none. */
export const find = Effect.fn("Token.find")(function* (file: Option.Option<string>) {
  if (Option.isSome(file)) return Option.some(yield* readFile("--token-file", file.value))
  const token = yield* variable("BULKHEAD_TOKEN")
  if (Option.isSome(token)) return Option.some(yield* read("BULKHEAD_TOKEN", token.value.trim()))
  const named = yield* variable("BULKHEAD_TOKEN_FILE")
  return Option.isSome(named)
    ? Option.some(yield* readFile("BULKHEAD_TOKEN_FILE", named.value))
    : Option.none()
})
