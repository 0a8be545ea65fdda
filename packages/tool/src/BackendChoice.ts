import type { E2BOptions } from "@bulkhead/e2b"
import { Config, ConfigError, Data, type Effect, Either, Option, Record, Redacted } from "effect"
import * as Environment from "./Environment.js"
import type { SetUpFailure } from "./SetUpFailure.js"

/** Where sandboxes come from: E2B's cloud, or the embedded host on this machine. */
export type BackendChoice = Data.TaggedEnum<{
  E2B: { readonly options: E2BOptions }
  Embedded: Record<never, never>
}>
export const BackendChoice = Data.taggedEnum<BackendChoice>()

/** A variable that may be absent. Set to nothing, it counts as absent. No error shows what was refused. */
const variable = (name: string, takes: string, form: RegExp) =>
  Config.string(name).pipe(
    Config.mapOrFail((text) => {
      const value = text.trim()
      if (value === "") return Either.left(ConfigError.MissingData([], `expected ${takes}`))
      return form.test(value)
        ? Either.right(value)
        : Either.left(ConfigError.InvalidData([], `expected ${takes}, got something else`))
    }),
    Config.option
  )

const url = /^https?:\/\/[^\s/]/

const variables = Config.all({
  backend: variable("SANDBOX_BACKEND", "'e2b' or 'embedded'", /^(e2b|embedded)$/),
  apiKey: variable("E2B_API_KEY", "a key of E2B's", /^[\x21-\x7e]+$/),
  template: variable("E2B_TEMPLATE", "the name or id of a template", /^\S{1,256}$/),
  domain: variable("E2B_DOMAIN", "a domain, with a port or without", /^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/),
  apiUrl: variable("E2B_API_URL", "an http or https URL", url),
  sandboxUrl: variable("E2B_SANDBOX_URL", "an http or https URL", url)
})

/** Strangers' code runs on this machine only where somebody said so. */
const keyMissing = ConfigError.MissingData(
  ["E2B_API_KEY"],
  "expected E2B's key; to run code on this machine instead, set SANDBOX_BACKEND to 'embedded'"
)

const choice = Config.mapOrFail(variables, ({ apiKey, backend, ...others }) =>
  Option.contains(backend, "embedded")
    ? Either.right<BackendChoice>(BackendChoice.Embedded())
    : Option.match(apiKey, {
        onNone: () => Either.left(keyMissing),
        onSome: (key) => {
          const options = Data.struct({ apiKey: Redacted.make(key), ...Record.getSomes(others) })
          return Either.right<BackendChoice>(BackendChoice.E2B({ options }))
        }
      })
)

/** What the variables choose: E2B's cloud, with its key, unless `SANDBOX_BACKEND` says `embedded`. */
export const read = (env: Environment.Environment | undefined): Effect.Effect<BackendChoice, SetUpFailure> =>
  Environment.read(choice, env)
