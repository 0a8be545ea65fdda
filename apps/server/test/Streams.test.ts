import { BulkheadClient } from "@bulkhead/api"
import type { ExecutionUpdate } from "@bulkhead/domain"
import { FetchHttpClient } from "@effect/platform"
import { assert, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Caller from "./Caller.js"
import * as RawConnection from "./RawConnection.js"
import * as ServerProcess from "./ServerProcess.js"

const client = (url?: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, (server) =>
    BulkheadClient.make({ url: url ?? server.url })
  ).pipe(Effect.provide(FetchHttpClient.layer))

const textOf = (updates: Iterable<ExecutionUpdate>, stream: "stdout" | "stderr" = "stdout") =>
  [...updates].flatMap((update) => (update.type === stream ? [update.text] : [])).join("")

const resultOf = (updates: Iterable<ExecutionUpdate>) => {
  const last = [...updates].at(-1)
  assert(last?.type === "result", JSON.stringify(last))
  return last.result
}

/** Every text begins where the one before ended, and every update has an id of its own. */
const assertWhole = (updates: ReadonlyArray<ExecutionUpdate>) => {
  const next = { stdout: 0, stderr: 0 }
  for (const update of updates) {
    if (update.type !== "stdout" && update.type !== "stderr") continue
    assert.strictEqual(update.offset, next[update.type])
    next[update.type] += Buffer.byteLength(update.text)
  }
  assert.strictEqual(new Set(updates.map(({ id }) => id)).size, updates.length)
}

/** The head and the body of a request for events. */
const requestForEvents = (body: object) => {
  const text = JSON.stringify(body)
  return `${RawConnection.head({ accept: "text/event-stream", "content-length": Buffer.byteLength(text) })}${text}`
}

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })("a stream", (it) => {
  it.effect("tells what a program writes while it runs; who leaves it kills the program", () =>
    Effect.gen(function* () {
      const socket = yield* RawConnection.open
      const code = "import time\nprint('first é', flush=True)\ntime.sleep(60)"
      socket.write(requestForEvents({ code, userId: "leaver" }))
      const heard = yield* RawConnection.heardUntil(socket, "first é")
      assert.match(heard, /^HTTP\/1.1 200 OK/)
      assert.match(heard, /event: started\n/)
      const { executionId } = yield* Caller.inState("leaver", "running")
      socket.destroy()
      yield* Caller.inState("leaver", "ended")
      const { result, verdict } = yield* Caller.get(`/api/sandbox/executions/${executionId}`)
      assert.deepStrictEqual([verdict, result.stdout], ["Killed", "first é\n"])
    }).pipe(Effect.scoped)
  )

  it.effect("of a submitted execution goes on without readers, and is read from its beginning", () =>
    Effect.gen(function* () {
      const { streams, updates } = yield* client()
      const code = "import sys\nfor i in range(5000): print(i, '😀é' * (i % 7)); print(i, file=sys.stderr)"
      const { executionId } = yield* streams.submit({ payload: { code, userId: "job" } })
      yield* Caller.inState("job", "ended")
      const late = [...(yield* Stream.runCollect(updates(executionId)))]
      assertWhole(late)
      assert.strictEqual(resultOf(late).stdout, textOf(late))
      assert.strictEqual(resultOf(late).stderr, textOf(late, "stderr"))
    })
  )

  it.effect("has the bytes that are no UTF-8, those of a cut character and a byte order mark each once", () =>
    Effect.gen(function* () {
      const { stream } = yield* client()
      const code = [
        "import os, time",
        "os.write(1, b'\\xef\\xbb\\xbfa\\xf0\\x9f')",
        "time.sleep(0.05)",
        "os.write(1, b'\\x98\\x80\\xffb\\n')"
      ].join("\n")
      const updates = [...(yield* Stream.runCollect(stream({ code, userId: "bytes" })))]
      assertWhole(updates)
      assert.match(textOf(updates), /^\ufeff?a😀\ufffdb\n$/)
      assert.strictEqual(textOf(updates), resultOf(updates).stdout)
    })
  )

  it.effect("tells of what is kept and what is refused of the files, before the result", () =>
    Effect.gen(function* () {
      const { stream } = yield* client()
      const code =
        "import os\nd = os.environ.get('SANDBOX_OUTPUT_DIR', 'output')\nopen(d + '/a.txt', 'w').write('x')"
      const updates = [...(yield* Stream.runCollect(stream({ code, userId: "files" })))]
      const files = updates.flatMap((update) => (update.type === "artifact" ? [update] : []))
      assert.deepStrictEqual(
        files.map(({ kept }) => kept),
        [...resultOf(updates).artifacts]
      )
      assert.lengthOf(files, 1)
    })
  )
})
