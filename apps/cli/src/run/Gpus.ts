import { type Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { Failure } from "../Failure.js"
import { present } from "../Present.js"
import { text } from "./TextOption.js"

/** GPUs for the program alone. */
export const options = {
  gpus: Options.integer("gpus").pipe(
    Options.withPseudoName("NUMBER"),
    Options.withDescription("Whole GPUs for it alone; none unless told."),
    Options.optional
  ),
  gpuKind: text("gpu-kind", "NAME", "With --gpus: of which kind, as the driver names it.").pipe(
    Options.optional
  )
}

/** The request's `gpu`; none where no GPUs are asked for. */
export const of = ({ gpuKind, gpus }: Command.Command.ParseConfig<typeof options>) => {
  if (Option.isNone(gpus) && Option.isSome(gpuKind))
    return new Failure({ message: "--gpu-kind: say by --gpus how many of them, like --gpus 1" })
  return Effect.succeed(Option.map(gpus, (count) => ({ count, ...present("kind", gpuKind) })))
}
