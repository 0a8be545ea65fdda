import { Config, ConfigProvider, Effect, Layer } from "effect"
import * as Misspelt from "./Misspelt.js"
import { ServerConfig } from "./ServerConfig.js"
import * as Settings from "./Settings.js"
import * as WeakSecrets from "./WeakSecrets.js"

/** No variable has this in its name, so that names come whole. */
const environment = ConfigProvider.fromEnv({ pathDelim: "=", seqDelim: "," })

/** The names come in capitals: one that is not written so is none of ours. Set to nothing counts as absent. */
const isSet = (name: string) =>
  Effect.match(environment.load(Config.string(name)), {
    onFailure: () => false,
    onSuccess: (value) => value.trim() !== ""
  })

const namesSet = environment.flattened
  .enumerateChildren([])
  .pipe(Effect.flatMap((names) => Effect.filter(names, isSet)))

const known = Settings.all.map(({ name }) => name)

/** Warns at the start of settings that work, but hardly as they were meant. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const misspelt = Misspelt.warnings(yield* namesSet, known)
    const weak = WeakSecrets.warnings(yield* ServerConfig)
    yield* Effect.forEach([...misspelt, ...weak], (warning) => Effect.logWarning(warning))
  })
)
