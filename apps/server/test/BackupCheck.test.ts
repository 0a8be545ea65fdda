import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ServerProcess from "./ServerProcess.js"

const bundle = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))

const run = (command: string, ...words: ReadonlyArray<string>) =>
  Effect.async<{ readonly ok: boolean; readonly said: string }>((resume) => {
    execFile(command, words, (error, stdout, stderr) =>
      resume(Effect.succeed({ ok: error === null, said: stdout + stderr }))
    )
  })

/** The command of docs/deploying.md. */
const backUp = (from: string, to: string) =>
  run(
    "python3",
    "-c",
    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))",
    ...[from, to]
  )

const alter = (file: string) =>
  run(
    "python3",
    "-c",
    `import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE events SET timestamp = timestamp + 1 WHERE sequence = 2")
database.commit()`,
    file
  )

const check = (...words: ReadonlyArray<string>) => run(process.execPath, bundle, "backup-check", ...words)

describe("backup-check", () => {
  it.scopedLive(
    "believes a backup of a running server, and none that was altered",
    () =>
      Effect.gen(function* () {
        const data = yield* ServerProcess.temporaryDirectory
        const { url } = yield* ServerProcess.start({ SANDBOX_DATA_DIR: data })
        yield* HttpClientRequest.post(`${url}/api/execute`).pipe(
          HttpClientRequest.bodyUnsafeJson({ code: "print(1)", language: "python" }),
          HttpClient.execute,
          Effect.flatMap(({ text }) => text)
        )
        const copy = join(yield* ServerProcess.temporaryDirectory, "backup.db")
        assert.isTrue((yield* backUp(join(data, "bulkhead.db"), copy)).ok)
        const whole = yield* check(copy)
        assert.isTrue(whole.ok, whole.said)
        assert.match(
          whole.said,
          /backup\.db is whole: 1 executions, [1-9]\d* events in 1 chain that verifies\n$/
        )

        assert.isTrue((yield* alter(copy)).ok)
        const altered = yield* check(copy)
        assert.isFalse(altered.ok)
        assert.match(altered.said, /^bulkhead: .* does not verify: event 2 is changed\n$/)
        const nowhere = join(copy, "..", "nowhere.db")
        assert.deepStrictEqual(yield* check(nowhere), {
          ok: false,
          said: `bulkhead: ${nowhere} cannot be restored from: there is no such file\n`
        })
        assert.include(yield* check(), {
          ok: false,
          said: "bulkhead: usage: npm run backup-check -- FILE, a copy of bulkhead.db\n"
        })
      }).pipe(Effect.provide(NodeHttpClient.layer)),
    120_000
  )
})
