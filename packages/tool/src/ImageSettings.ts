import { type ImagePlaces, Images } from "@bulkhead/sandbox"
import { Config, ConfigError, Effect, Either, Option } from "effect"
import * as Environment from "./Environment.js"
import { SetUpFailure } from "./SetUpFailure.js"

const name = "SANDBOX_IMAGES"

/** Set to nothing, it counts as absent. */
const variable = Config.string(name).pipe(
  Config.mapOrFail((text) =>
    text.trim() === ""
      ? Either.left(ConfigError.MissingData([], `expected ${Images.takes}`))
      : Either.mapLeft(Images.parse(text), (got) =>
          ConfigError.InvalidData([], `expected ${Images.takes}, ${got}`)
        )
  ),
  Config.option
)

/** The images that the variables name. */
export const read = (env: Environment.Environment | undefined): Effect.Effect<ImagePlaces, SetUpFailure> =>
  Environment.read(
    Effect.map(
      variable,
      Option.getOrElse((): ImagePlaces => new Map())
    ),
    env
  )

/** Refuses variables that name other images than those in force. Who names none takes those. */
export const checkSame = Effect.fnUntraced(function* (inForce: ImagePlaces, env: Environment.Environment) {
  const wanted = yield* read(env)
  const isSame = [...wanted].every(([image, place]) => inForce.get(image) === place)
  if (wanted.size === 0 || (isSame && wanted.size === inForce.size)) return
  return yield* new SetUpFailure({
    message: `${name}: expected what the first call had; for other images make another SandboxHardeningManager`
  })
})
