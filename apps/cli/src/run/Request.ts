import { basename } from "node:path"
import { type ExecutionRequestInput, flawOfPath, Harmless } from "@bulkhead/domain"
import { Args, type Command, Options } from "@effect/cli"
import { Config, Effect, Option } from "effect"
import { Failure } from "../Failure.js"
import { present } from "../Present.js"
import * as Announcement from "./Announcement.js"
import * as Gpus from "./Gpus.js"
import * as Input from "./Input.js"
import * as Language from "./Language.js"
import * as Network from "./Network.js"
import * as Secrets from "./Secrets.js"
import { text, texts } from "./TextOption.js"

/** What is asked to be run. */
export const options = {
  file: Args.text({ name: "FILE" }).pipe(Args.withDescription("The program; - reads it from stdin.")),
  language: text("language", "NAME", "What it is written in; by the end of its name, or python for -.").pipe(
    Options.withAlias("l"),
    Options.optional
  ),
  image: text("image", "NAME", "The image to run it on; 'bulkhead image list' names them.").pipe(
    Options.optional
  ),
  timeout: Options.float("timeout").pipe(
    Options.withPseudoName("SECONDS"),
    Options.withDescription("After how long it is ended; the server's default unless told."),
    Options.optional
  ),
  env: texts("env", "NAME[=VALUE]", "A variable for it; without a value, the one of this environment."),
  arg: texts("arg", "TEXT", "An argument for it. All words after -- are arguments too."),
  stdin: Options.boolean("stdin").pipe(
    Options.withDescription("Gives it all that comes on stdin, once that is at its end.")
  ),
  files: texts("file", "[NAME=]PATH", "A file for its working directory."),
  outputDir: text("output-dir", "DIR", "Where it leaves the files that are kept; output unless told.").pipe(
    Options.optional
  ),
  ...Network.options,
  ...Secrets.options,
  ...Gpus.options,
  retry: Options.boolean("retry").pipe(
    Options.withDescription("Runs it again if the sandbox failed, though it may have run already.")
  ),
  key: text("key", "KEY", "Under the same key it runs once a day, and who asks again gets its result.").pipe(
    Options.optional
  ),
  ...Announcement.options,
  user: text("user", "NAME", "Whose execution it is, where the server has no keys.").pipe(Options.optional)
}

export interface Asked extends Command.Command.ParseConfig<typeof options> {}

const code = Effect.fnUntraced(function* ({ file, stdin }: Asked) {
  if (file !== "-") return yield* Effect.flatMap(Input.file("FILE", file), (bytes) => Input.text(file, bytes))
  if (stdin)
    return yield* new Failure({ message: "--stdin: stdin is the program already; name a FILE instead of -" })
  return yield* Effect.flatMap(Input.stdin("FILE"), (bytes) => Input.text("stdin", bytes))
})

const language = ({ file, language }: Asked) =>
  Option.match(language, {
    onSome: Effect.succeed,
    onNone: () => (file === "-" ? Effect.succeed("python") : Language.ofFile(file))
  })

const variable = Effect.fnUntraced(function* (given: string) {
  const at = given.indexOf("=")
  if (at >= 0) return [given.slice(0, at), given.slice(at + 1)] as const
  const value = yield* Effect.mapError(
    Config.string(given),
    () =>
      new Failure({
        message: `--env: ${Harmless.line(given)} is not in this environment; expected NAME=VALUE`
      })
  )
  return [given, value] as const
})

/** The place of a file that has no name of its own: as it is, if that is a place in a working directory. */
const placeOf = (path: string) => (flawOfPath(path) === undefined ? path : basename(path))

const inputFile = Effect.fnUntraced(function* (given: string) {
  const at = given.indexOf("=")
  const path = given.slice(at + 1)
  const bytes = yield* Input.file("--file", path)
  return {
    path: at > 0 ? given.slice(0, at) : placeOf(path),
    content: Buffer.from(bytes).toString("base64"),
    encoding: "base64" as const
  }
})

/** The request that the command's words ask for. `more` are the program's arguments after `--`. */
export const make = Effect.fn("Request.make")(function* (asked: Asked, more: ReadonlyArray<string>) {
  const files = yield* Effect.forEach(asked.files, inputFile)
  const stdin = asked.stdin ? Option.some(yield* Input.stdin("--stdin")) : Option.none()
  const request: ExecutionRequestInput = {
    code: yield* code(asked),
    language: yield* language(asked),
    args: [...asked.arg, ...more],
    env: Object.fromEntries(yield* Effect.forEach(asked.env, variable)),
    files,
    secrets: yield* Secrets.of(asked),
    retryOnFailure: asked.retry,
    ...present("network", Network.of(asked)),
    ...present("gpu", yield* Gpus.of(asked)),
    ...present("webhook", yield* Announcement.of(asked)),
    ...present("outputDir", asked.outputDir),
    ...present("idempotencyKey", asked.key),
    ...present("image", asked.image),
    ...present("timeout", asked.timeout),
    ...present("userId", asked.user),
    ...Option.match(stdin, {
      onNone: () => ({}),
      onSome: (bytes) => ({ stdin: bytes.toString("base64"), stdinEncoding: "base64" as const })
    })
  }
  return request
})
