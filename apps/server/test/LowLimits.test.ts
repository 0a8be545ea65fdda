import { fileURLToPath } from "node:url"
import { Command } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as ServerProcess from "./ServerProcess.js"

const bundle = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))

/** What a server says that may have no more open files than this. */
const saidWith = (files: number) =>
  Effect.gen(function* () {
    yield* ServerProcess.bundled
    const data = yield* ServerProcess.temporaryDirectory
    const server = yield* Command.make(
      ...(["bash", "-c", `ulimit -n ${files} && exec "$@"`, "bash", process.execPath, bundle] as const)
    ).pipe(Command.env({ PORT: "0", SANDBOX_BACKEND: "embedded", SANDBOX_DATA_DIR: data }), Command.start)
    return yield* Stream.mkString(Stream.decodeText(server.stderr))
  })

describe("a server whose own limits are too low for sandboxes", () => {
  it.scopedLive("does not start, and names the limits", () =>
    Effect.gen(function* () {
      const said = yield* saidWith(64)
      assert.match(said, /^bulkhead: Sandboxes cannot be isolated here: [^\n]+\(ulimit -Hu, -Hd, -Hn\)\n$/)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
