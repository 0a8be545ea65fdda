import { Guest } from "@bulkhead/guest"
import { MockSandboxProvider, MockSupervisor } from "@bulkhead/testing"
import { type ManagerOptions, SandboxHardeningManager, type SomeLimits } from "@bulkhead/tool"
import { Context, Effect, Layer } from "effect"

const toolchain = `python3 Python 3.11.2\nmachine x86_64\nguest at ${Guest.places.x64}\n`

/** Under a supervisor, as it is where the image has one. Whoever looks at the toolchain finds Python. */
const supervised =
  (program: MockSandboxProvider.MockProgram): MockSandboxProvider.MockProgram =>
  (process) =>
    MockSupervisor.voice(process.command).isThere
      ? MockSupervisor.reporting({}, program)(process)
      : Effect.as(process.stdout(toolchain), { exitCode: 0 })

/** A manager on sandboxes in memory, and a look at these. */
export const make = (
  limits: SomeLimits = {},
  { program = MockSandboxProvider.hello, ...behaviour }: Partial<MockSandboxProvider.MockBehaviour> = {},
  options: ManagerOptions = {}
) => {
  const context = Effect.runSync(
    Effect.scoped(Layer.build(MockSandboxProvider.layer({ ...behaviour, program: supervised(program) })))
  )
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
