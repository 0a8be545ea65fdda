import { type ExecutionResult, type LimitValues, type Refusal, UserId } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, MockSupervisor } from "@bulkhead/testing"
import { type Context, Effect, Layer } from "effect"
import { BenchFailure } from "./BenchFailure.js"

const done = Effect.succeed({ exitCode: 0 })

/**
 * Sandboxes that are there at once: a look at their toolchain finds python and a supervisor, under which this program runs. Without one
 * everything is over at once.
 */
export const sandboxes = (
  program?: MockSandboxProvider.MockProgram,
  options: MockSandboxProvider.MockOptions = {}
) => {
  const supervised =
    program === undefined ? MockSupervisor.reportingAtOnce : MockSupervisor.reporting({}, program)
  return MockSandboxProvider.layer(
    {
      program: (process) =>
        MockSupervisor.voice(process.command).isThere
          ? supervised(process)
          : Effect.zipRight(process.stdout("python3 Python 3.11.2\nperl perl 5.36.0\n"), done)
    },
    options
  )
}

/** The whole service on such sandboxes, and the sandboxes. */
export const layer = (
  limits: Partial<LimitValues>,
  program?: MockSandboxProvider.MockProgram,
  options?: MockSandboxProvider.MockOptions
) => Layer.provideMerge(SandboxService.layer(limits), sandboxes(program, options))

const failure = ({ message }: { readonly message: string }) =>
  new BenchFailure({ message: `the service: ${message}` })

/** Has a program run for a user by this service, and gives the result, which must be that it completed. */
export const completeWith = (
  { execute }: Context.Tag.Service<SandboxService>,
  user: string
): Effect.Effect<ExecutionResult, BenchFailure> => {
  const userId = UserId.make(user)
  return Effect.matchEffect(
    Effect.suspend(() => execute({ code: "print(1)" }, { userId })),
    {
      onFailure: (refusal: Refusal) => failure(refusal),
      onSuccess: (result) =>
        result.verdict === "Completed" ? Effect.succeed(result) : failure({ message: JSON.stringify(result) })
    }
  )
}

/** The same by whatever service is provided. */
export const complete = (user: string): Effect.Effect<ExecutionResult, BenchFailure, SandboxService> =>
  Effect.flatMap(SandboxService, (service) => completeWith(service, user))

/** Looks at the toolchain, as each service does once. */
export const ready = Effect.flatMap(SandboxService, ({ runtimes }) => runtimes).pipe(Effect.mapError(failure))
