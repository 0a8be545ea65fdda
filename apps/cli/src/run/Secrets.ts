import type { Command } from "@effect/cli"
import { Config, Effect, Option } from "effect"
import { Failure } from "../Failure.js"
import { present } from "../Present.js"
import * as Input from "./Input.js"
import { texts } from "./TextOption.js"

/** Secrets that the program may use and never has. */
export const options = {
  secret: texts(
    "secret",
    "NAME=HOST[,HOST]",
    "A secret for these hosts alone: the value of the variable NAME of this environment, or of its --secret-file."
  ),
  secretFile: texts("secret-file", "NAME=PATH", "With --secret NAME=…: the file that holds its value."),
  secretHeader: texts(
    "secret-header",
    "NAME=HEADER",
    "With --secret NAME=…: the one header it is sent in, like 'Authorization: Bearer {}'."
  ),
  keptSecret: texts("kept-secret", "NAME=KEPT", "A secret that the operator keeps under the name KEPT.")
}

type Asked = Command.Command.ParseConfig<typeof options>

/** What never gets a value: arguments, and messages that would repeat one. */
const never = "a value is never given as an argument, which every user of the machine could read"

const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** What is given for each name. What has no form may be a secret, so it is not repeated. */
const byName = (option: string, expected: string, given: ReadonlyArray<string>) =>
  Effect.reduce(given, new Map<string, string>(), (pairs, pair) => {
    const at = pair.indexOf("=")
    const name = pair.slice(0, Math.max(0, at))
    if (!variableName.test(name) || at === pair.length - 1)
      return new Failure({ message: `--${option}: expected ${expected}; ${never}` })
    return pairs.has(name)
      ? new Failure({ message: `--${option}: ${name} is there twice; name it once` })
      : Effect.succeed(new Map([...pairs, [name, pair.slice(at + 1)]]))
  })

/** The usual file ends with a line, which is no part of the secret. */
const inFile = (path: string) =>
  Effect.flatMap(Input.file("--secret-file", path), (bytes) => Input.text(path, bytes)).pipe(
    Effect.map((content) => content.replace(/\r?\n$/, ""))
  )

const inEnvironment = (name: string) =>
  Effect.mapError(
    Config.string(name),
    () =>
      new Failure({
        message: `--secret: ${name} is not in this environment: set it there, or name a file that holds it by --secret-file ${name}=PATH; ${never}`
      })
  )

const secret = Effect.fnUntraced(function* (
  name: string,
  hosts: string,
  file: Option.Option<string>,
  header: Option.Option<string>
) {
  const value = yield* Option.match(file, { onNone: () => inEnvironment(name), onSome: inFile })
  // A value with a comma in it looks like several hosts.
  if (hosts === value || hosts.split(",").includes(value))
    return yield* new Failure({
      message: `--secret: after ${name}= come the hosts that may have it, like ${name}=api.openai.com; ${never}`
    })
  return { value, hosts: hosts.split(","), ...present("header", header) }
})

/** An option says something of a name that no other one has. */
const unnamed = (option: string, names: Iterable<string>, known: ReadonlyMap<string, string>) =>
  Option.match(Option.fromNullable([...names].find((name) => !known.has(name))), {
    onNone: () => Effect.void,
    onSome: (name) =>
      new Failure({ message: `--${option}: say by --secret ${name}=HOST which hosts may have ${name}` })
  })

/** The request's `secrets`. */
export const of = Effect.fn("Secrets.of")(function* (asked: Asked) {
  const given = yield* byName("secret", "NAME=HOST, like OPENAI_API_KEY=api.openai.com", asked.secret)
  const files = yield* byName("secret-file", "NAME=PATH", asked.secretFile)
  const headers = yield* byName(
    "secret-header",
    "NAME=HEADER, like OPENAI_API_KEY='Authorization: Bearer {}'",
    asked.secretHeader
  )
  const kept = yield* byName("kept-secret", "NAME=KEPT, like OPENAI_API_KEY=openai", asked.keptSecret)
  yield* unnamed("secret-file", files.keys(), given)
  yield* unnamed("secret-header", headers.keys(), given)
  const twice = [...kept.keys()].find((name) => given.has(name))
  if (twice !== undefined)
    return yield* new Failure({ message: `--kept-secret: ${twice} is a --secret too; name it once` })
  const own = yield* Effect.forEach(given, ([name, hosts]) =>
    Effect.map(
      secret(name, hosts, Option.fromNullable(files.get(name)), Option.fromNullable(headers.get(name))),
      (secret) => [name, secret] as const
    )
  )
  return Object.fromEntries([...own, ...[...kept].map(([name, kept]) => [name, { name: kept }] as const)])
})
