import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ExecutionId } from "@bulkhead/domain"
import { type Entry, ExecutionStore } from "@bulkhead/sandbox"
import { assert, it } from "@effect/vitest"
import { Effect, Option, Random } from "effect"
import { build } from "esbuild"
import { onEach, storeIn, temporaryDirectory } from "./Databases.js"

const bundled = Effect.gen(function* () {
  const outfile = join(yield* temporaryDirectory, "writing.mjs")
  yield* Effect.promise(() =>
    build({
      entryPoints: [fileURLToPath(new URL("WritingProcess.ts", import.meta.url))],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["bulkhead-source"],
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)'
      },
      external: ["pg-native"],
      plugins: [
        {
          name: "libsql-outside",
          setup: ({ onResolve }) =>
            onResolve({ filter: /^libsql$/ }, ({ resolveDir }) => ({
              path: createRequire(`${resolveDir}/`).resolve("libsql"),
              external: true
            }))
        }
      ],
      logLevel: "error"
    })
  )
  return outfile
})

/** Kills a process that writes once it has committed so many, and gives what it said was committed. */
const killedAfter = (script: string, place: string, life: string, commits: number) =>
  Effect.async<ReadonlyArray<string>, string>((resume) => {
    const child = spawn(process.execPath, [script, place, life], { stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    let errors = ""
    let lines = 0
    child.stderr.on("data", (chunk) => {
      errors += chunk
    })
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk
      lines += chunk.toString().split("\n").length - 1
      if (lines >= commits) child.kill("SIGKILL")
    })
    child.once("close", (_, signal) =>
      resume(signal === "SIGKILL" ? Effect.succeed(said.split("\n").slice(0, -1)) : Effect.fail(errors))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const terminal = (executionId: ExecutionId): ReadonlyArray<Entry> => [
  {
    _tag: "Happened",
    event: {
      timestamp: 3,
      executionId,
      userId: "ann" as never,
      level: "error",
      event: "execution_failed",
      message: "The service ended"
    }
  },
  { _tag: "Ended", end: { executionId, endedAt: 3, verdict: "InternalError" } }
]

onEach("The death of the process", (kind) => {
  it.scopedLive(
    "by SIGKILL at any moment loses nothing that was committed, and what never ended is found",
    () =>
      Effect.gen(function* () {
        const script = yield* bundled
        const database = yield* Effect.orDie(kind.make)
        const lives = kind.name === "SQLite" ? 6 : 3
        let left = 0
        for (let life = 0; life < lives; life++) {
          const commits = yield* Random.nextIntBetween(1, 150)
          const said = yield* killedAfter(script, database.place, `life${life}`, commits)
          assert.isAtLeast(said.length, commits)
          const check = Effect.gen(function* () {
            const store = yield* ExecutionStore
            assert.isTrue((yield* store.verify).intact)
            for (const name of said) {
              const executionId = ExecutionId.make(name)
              const found = Option.getOrThrow(yield* store.find(executionId))
              assert.strictEqual(found.verdict, "Completed", name)
              const { items } = yield* store.events(executionId, {})
              const middle = Number(name.split("-")[1]) % 2 === 1 ? ["signal_sent"] : []
              assert.deepStrictEqual(
                items.map(({ event }) => event as string),
                ["execution_started", ...middle, "execution_completed"]
              )
            }
            const unfinished = yield* store.unfinished
            left += unfinished.length
            for (const { executionId } of unfinished) {
              assert.isTrue(
                executionId.startsWith(`exec_life${life}-`),
                "an earlier life's was ended already"
              )
              assert.isAtLeast((yield* store.events(executionId, {})).items.length, 1)
              yield* store.append(terminal(executionId))
            }
            yield* store.commit
            assert.deepStrictEqual(yield* store.unfinished, [])
            assert.isTrue((yield* store.verify).intact)
          })
          yield* Effect.provide(check, storeIn(database, { isDead: () => true }))
        }
        assert.isAbove(left, 0, "no kill came in the middle of an execution")
      }),
    180_000
  )
})
