import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { ExecutionResult } from "@bulkhead/domain"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as ServerProcess from "./ServerProcess.js"

const read = (page: string) =>
  readFileSync(fileURLToPath(new URL(`../../../${page}`, import.meta.url)), "utf8")

/** The fenced blocks of one kind, in order. */
const blocks = (kind: string, page: string) =>
  [...read(page).matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text ?? "")

const pages = [
  "README.md",
  ...readdirSync(fileURLToPath(new URL("../../../docs", import.meta.url)))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

const [hello, admin, tooLong, tenAtOnce, inForm, sentBefore, ...others] = pages.flatMap((page) =>
  blocks("bash", page)
)

/** Runs a block as a reader would, against the server of the test; everything it prints. */
const paste = Effect.fnUntraced(function* (block: string | undefined) {
  const { url } = yield* ServerProcess.ServerProcess
  assert(block)
  const script = block.replaceAll("http://127.0.0.1:8787", url)
  return yield* Effect.async<string>((resume) => {
    execFile(
      "bash",
      ["-c", script],
      { env: { ...process.env, ADMIN_API_TOKEN: ServerProcess.adminToken } },
      (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })
})

/** In a directory that has a file to send. */
const besideFile = (block: string | undefined) =>
  `cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT && echo 1,2 > in.csv\n${block}`

/** The JSON documents in a text, one after the other. */
const documents = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .replaceAll("}{", "}\n{")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })(
  "the commands of the README and of docs/",
  (it) => {
    it.effect("print a greeting", () =>
      Effect.gen(function* () {
        const [result] = documents(yield* paste(hello))
        const [shortened] = blocks("json", "README.md")
        assert(shortened)
        assert.deepInclude(result, JSON.parse(shortened))
      })
    )

    it.effect("end a program that runs too long", () =>
      Effect.gen(function* () {
        const [result] = documents(
          yield* paste(tooLong)
        ) as ReadonlyArray<unknown> as ReadonlyArray<ExecutionResult>
        assert.deepInclude(result, { success: false, verdict: "TimeLimitExceeded", stdout: "begun\n" })
      })
    )

    it.effect("run ten at once", () =>
      Effect.gen(function* () {
        const results = documents(yield* paste(tenAtOnce))
        assert.deepStrictEqual(
          results.map(({ verdict }) => verdict),
          Array(10).fill("Completed")
        )
      })
    )

    it.effect("watch", () =>
      Effect.gen(function* () {
        const [system, user, { executions } = {}] = documents(yield* paste(admin))
        assert.include(system, { activeExecutions: 0 })
        assert.include(user, { activeExecutions: 0, utilizationPercent: 0 })
        assert.strictEqual((executions as ReadonlyArray<unknown>).length, 12)
      })
    )

    it.effect("send files, beside a request and before it", () =>
      Effect.gen(function* () {
        const [result] = documents(yield* paste(besideFile(inForm)))
        assert.deepInclude(result, { success: true, stdout: "4\n" })
        const [upload] = documents(yield* paste(besideFile(sentBefore)))
        assert.deepInclude(upload, { name: "in.csv", bytes: 4 })
      })
    )
  }
)

describe("the README and docs/", () => {
  it("have no command that this test does not run", () => {
    assert.deepStrictEqual(others, [])
  })
})
