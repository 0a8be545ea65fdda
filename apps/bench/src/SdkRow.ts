import { EmbeddedHost } from "@bulkhead/host"
import { Sandbox } from "e2b"
import { Effect, Redacted } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as ClosedLoop from "./ClosedLoop.js"
import type { Row } from "./Row.js"

const name = "raw e2b SDK"

const call = <A>(what: string, promise: () => Promise<A>) =>
  Effect.tryPromise({
    try: promise,
    catch: (error) => new BenchFailure({ message: `${name}: ${what}: ${String(error)}` })
  })

/** The SDK as its users call it, on an embedded host in this process. */
export const make = Effect.gen(function* () {
  const { apiKey, url } = yield* EmbeddedHost
  const options = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
  const once = Effect.acquireUseRelease(
    call("create", () => Sandbox.create(options)),
    (sandbox) => call("run", () => sandbox.commands.run("python3 -c 'print(1)'")),
    (sandbox) => Effect.orDie(call("kill", () => sandbox.kill()))
  ).pipe(
    Effect.filterOrFail(
      ({ exitCode, stdout }) => exitCode === 0 && stdout === "1\n",
      (result) => new BenchFailure({ message: `${name}: ${JSON.stringify(result)}` })
    )
  )
  const row: Row = {
    name,
    how: "Sandbox.create, commands.run(\"python3 -c 'print(1)'\"), kill; the embedded host in the same process",
    run: (concurrency, duration) => ClosedLoop.run(once, concurrency, duration)
  }
  return row
})
