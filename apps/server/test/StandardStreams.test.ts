import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const hello = { code: "print('hello')" }

/** A server whose streams are shut once it listens. */
const without = Effect.fnUntraced(function* (...streams: ReadonlyArray<"stdout" | "stderr">) {
  yield* ServerProcess.bundled
  const server = yield* ServerProcess.launch({ SANDBOX_EVENT_LOG: "stdout" })
  const url = yield* server.listening
  yield* Effect.forEach(streams, server.shut)
  const here = ServerProcess.ServerProcess.of({ url, kill: server.kill, ended: server.ended })
  for (let count = 0; count < 3; count++) {
    const result = yield* Effect.provideService(Caller.execute(hello), ServerProcess.ServerProcess, here)
    assert.strictEqual(result.stdout, "hello\n")
  }
  yield* server.kill("SIGTERM")
  return yield* server.ended
})

describe("a server whose output nobody reads any more", () => {
  it.scopedLive("goes on without stdout, and says so once", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* without("stdout")
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr.match(/stdout cannot be written \(EPIPE\)/g)?.length, 1, stderr)
    })
  )

  it.scopedLive("goes on without stdout and stderr", () =>
    Effect.map(without("stdout", "stderr"), ({ code }) => assert.strictEqual(code, 0))
  )
})
