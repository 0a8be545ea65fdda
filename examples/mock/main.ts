import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Console, Effect, Layer } from "effect"

/** A sandbox with Python in which every program prints an answer. */
const program: MockSandboxProvider.MockProgram = ({ command, stdout }) =>
  Effect.as(stdout(command.line.includes("python3 --version") ? "python3 3.11.2\n" : "42\n"), { exitCode: 0 })

const Sandboxes = SandboxService.layer().pipe(Layer.provideMerge(MockSandboxProvider.layer({ program })))

await Effect.gen(function* () {
  const sandboxes = yield* SandboxService
  const { stdout, verdict } = yield* sandboxes.execute({ code: "print(6 * 7)" })
  const alive = yield* Effect.flatMap(MockSandboxProvider.MockSandboxes, (mock) => mock.alive)
  yield* Console.log(verdict, stdout.trim(), `sandboxes left: ${alive}`)
}).pipe(Effect.provide(Sandboxes), Effect.runPromise)
