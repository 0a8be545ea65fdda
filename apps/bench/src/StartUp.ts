import { Duration, Effect } from "effect"
import * as Client from "./Client.js"
import * as ProcessFacts from "./ProcessFacts.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** One start of the server on a machine that has everything; milliseconds from the start of its process. */
export interface StartUp {
  readonly healthyMs: number
  readonly firstExecutionMs: number
  /** Memory of the idle server after that, in MiB. */
  readonly residentMB: number
}

/** Starts a server, asks for its health and for one execution, and stops it. */
export const measure = Effect.gen(function* () {
  const [toHealth, server] = yield* Effect.timed(Effect.tap(ServerUnderTest.start, Client.health))
  const [toExecution] = yield* Effect.timed(Client.complete(server, "print(1)", "1\n"))
  const startUp: StartUp = {
    healthyMs: Duration.toMillis(toHealth),
    firstExecutionMs: Duration.toMillis(Duration.sum(toHealth, toExecution)),
    residentMB: yield* ProcessFacts.residentMB(server.pid)
  }
  return startUp
}).pipe(Effect.scoped, Effect.provide(Client.layer))
