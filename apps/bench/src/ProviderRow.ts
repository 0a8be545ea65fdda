import { SandboxProvider } from "@bulkhead/sandbox"
import { Duration, Effect } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as OwnRow from "./OwnRow.js"

const command = { line: "python3 -u main.py", env: {}, lifetime: Duration.minutes(1), onOutput: () => {} }

const options = { metadata: {}, lifetime: Duration.minutes(1) }

/** The provider called directly: a sandbox, a command in it, and its end. */
export const make = Effect.map(SandboxProvider, ({ create }) =>
  OwnRow.make(
    "provider directly",
    "the mock provider: create a sandbox, run, destroy",
    Effect.acquireUseRelease(
      create(options),
      ({ run }) => run(command),
      ({ destroy }) => Effect.orDie(destroy)
    ).pipe(Effect.mapError(({ message }) => new BenchFailure({ message: `the provider: ${message}` })))
  )
)
