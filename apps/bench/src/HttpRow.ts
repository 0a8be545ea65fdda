import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import * as PerlLoop from "./PerlLoop.js"
import * as Places from "./Places.js"
import * as ProcessFacts from "./ProcessFacts.js"
import type { Row } from "./Row.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"

const name = "POST /api/execute"

/** The API on the bundled server, over connections that are new in each block and kept open through it. */
export const make = Effect.fnUntraced(function* (server: ServerUnderTest) {
  const fs = yield* FileSystem.FileSystem
  const cpuMs = Effect.provideService(ProcessFacts.cpuMs(server.pid), FileSystem.FileSystem, fs)
  const { hostname, port } = new URL(server.url)
  const post = yield* PerlLoop.start(name, Places.poster, [
    ...[hostname, port, "/api/execute", JSON.stringify({ code: "print(1)" })],
    ...['"verdict":"Completed"', '"stdout":"1\\n"']
  ])
  const row: Row = {
    name,
    how: 'code "print(1)", to the bundled server in its own process',
    run: Effect.fnUntraced(function* (concurrency, duration) {
      const before = yield* cpuMs
      const block = yield* post(concurrency, duration)
      return { ...block, cpuMs: (yield* cpuMs) - before }
    })
  }
  return row
})
