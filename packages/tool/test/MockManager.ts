import { MockSandboxProvider } from "@bulkhead/testing"
import { type ManagerOptions, SandboxHardeningManager, type SomeLimits } from "@bulkhead/tool"
import { Context, Effect, Layer } from "effect"

/** A manager on sandboxes in memory, and a look at these. */
export const make = (
  limits: SomeLimits = {},
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {},
  options: ManagerOptions = {}
) => {
  const context = Effect.runSync(Effect.scoped(Layer.build(MockSandboxProvider.layer(behaviour))))
  const { alive, created } = Context.get(context, MockSandboxProvider.MockSandboxes)
  const manager = new SandboxHardeningManager(limits, { ...options, provider: Layer.succeedContext(context) })
  return {
    manager,
    alive: () => Effect.runSync(alive),
    created: () => Effect.runSync(created).length
  }
}

/** A program that waits to be killed, and a promise of its start. */
export const waiting = () => {
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const program: MockSandboxProvider.MockProgram = (process) =>
    Effect.zipRight(
      Effect.zipRight(process.stdout("begun\n"), Effect.sync(begin)),
      MockSandboxProvider.sleeper(process)
    )
  return { begun, program }
}
