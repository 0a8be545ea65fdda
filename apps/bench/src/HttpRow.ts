import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import * as Client from "./Client.js"
import * as ClosedLoop from "./ClosedLoop.js"
import * as ProcessFacts from "./ProcessFacts.js"
import type { Row } from "./Row.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"

/** The API on the bundled server, over connections that are new in each block and kept open through it. */
export const make = Effect.fnUntraced(function* (server: ServerUnderTest) {
  const fs = yield* FileSystem.FileSystem
  const cpuMs = Effect.provideService(ProcessFacts.cpuMs(server.pid), FileSystem.FileSystem, fs)
  const once = Client.complete(server, "print(1)", "1\n")
  const row: Row = {
    name: "POST /api/execute",
    how: 'code "print(1)", to the bundled server in its own process',
    run: Effect.fnUntraced(function* (concurrency, duration) {
      const before = yield* cpuMs
      const block = yield* ClosedLoop.run(once, concurrency, duration).pipe(Effect.provide(Client.layer))
      return { ...block, cpuMs: (yield* cpuMs) - before }
    })
  }
  return row
})
