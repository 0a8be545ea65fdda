import { Sandbox, SandboxProvider } from "@bulkhead/sandbox"
import { Context, Duration, Effect, Layer } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as OwnRow from "./OwnRow.js"

const command = { line: "python3 -u main.py", env: {}, lifetime: Duration.minutes(1), onOutput: () => {} }

const options = { metadata: {}, lifetime: Duration.minutes(1) }

/** The provider called directly: a sandbox, a command in it, and its end. */
export const make = Effect.map(SandboxProvider, ({ sandbox }) =>
  OwnRow.make(
    "provider directly",
    "the mock provider: build the sandbox's layer, run, destroy",
    Layer.build(sandbox(options)).pipe(
      Effect.map(Context.get(Sandbox)),
      Effect.flatMap(({ run }) => run(command)),
      Effect.scoped,
      Effect.mapError(({ message }) => new BenchFailure({ message: `the provider: ${message}` }))
    )
  )
)
