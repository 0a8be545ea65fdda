import { FileSystem } from "@effect/platform"
import { Effect, Schema } from "effect"
import { parse } from "yaml"

/** A service of a Compose file, as far as it is looked at. */
const Service = Schema.Struct({
  environment: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), {
    default: () => ({})
  }),
  volumes: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] })
})
const ComposeFile = Schema.Struct({ services: Schema.Record({ key: Schema.String, value: Service }) })

/** A variable that must be set, with what Compose says where it is not. */
const variable = /\$\{(\w+):\?[^}]*\}/g

/** The services of a Compose file, with these values for its variables, of which each must be there. */
export const services = Effect.fnUntraced(function* (path: string, values: Readonly<Record<string, string>>) {
  const text = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path))
  const filled = text.replaceAll(variable, (all, name: string) => values[name] ?? all)
  const file = yield* Effect.sync(() => parse(filled, { merge: true }) as unknown)
  const { services } = yield* Schema.decodeUnknown(ComposeFile)(file)
  return services
})

/** What a Dockerfile's last stage sets in the environment. */
export const imageEnvironment = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path))
  const [, words = ""] = /^ENV (.+)$/m.exec(text.slice(text.lastIndexOf("\nFROM "))) ?? []
  return Object.fromEntries(words.split(" ").map((word) => word.split("=", 2) as [string, string]))
})
