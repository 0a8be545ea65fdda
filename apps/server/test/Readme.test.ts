import { type ExecFileOptions, execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { ExecutionResult } from "@bulkhead/domain"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { build } from "esbuild"
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

// The second is of an image, and Images.test.ts runs it.
const [hello, , admin, tooLong, tenAtOnce, own, streamed, submitted, inForm, sentBefore, ...others] =
  pages.flatMap((page) => blocks("bash", page))

const pathOf = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url))

/** A block, for the server of the test. */
const atServer = (block: string | undefined) =>
  Effect.map(ServerProcess.ServerProcess, ({ url }) => {
    assert(block)
    return block.replaceAll("http://127.0.0.1:8787", url)
  })

/** Everything that a command prints. */
const run = (command: string, words: ReadonlyArray<string>, options: ExecFileOptions = {}) =>
  Effect.async<string>((resume) => {
    const env = {
      ...process.env,
      ADMIN_API_TOKEN: ServerProcess.adminToken,
      PYTHONPATH: pathOf("clients/python"),
      PYTHONDONTWRITEBYTECODE: "1"
    }
    execFile(command, words, { ...options, env, encoding: "utf8" }, (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })

/** Runs a block as a reader would, against the server of the test; everything it prints. */
const paste = (block: string | undefined) =>
  Effect.flatMap(atServer(block), (script) => run("bash", ["-c", script]))

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

    it.effect("read what happens while it happens", () =>
      Effect.gen(function* () {
        for (const block of [streamed, submitted]) {
          const said = yield* paste(block)
          const events = [...said.matchAll(/^event: (.*)$/gm)].map(([, event]) => event)
          assert.deepStrictEqual(events.slice(-2), ["stdout", "result"], said)
          // Unbuffered, Python may write the end of the line by itself.
          const texts = [...said.matchAll(/"text":"([^"]*)"/g)].map(([, text]) => text)
          assert.strictEqual(texts.join(""), "Hello\\n", said)
        }
      })
    )

    it.effect("look at an execution of one's own", () =>
      Effect.gen(function* () {
        const [execution, list, kill] = documents(yield* paste(own))
        assert.include(execution, { state: "ended", verdict: "Completed" })
        assert.deepStrictEqual(list, { artifacts: [] })
        assert.deepInclude(kill?.error, { code: "CONFLICT" })
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

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })(
  "the clients that docs/ shows",
  (it) => {
    it.scoped("in Python", () =>
      Effect.gen(function* () {
        const [program] = blocks("python", "docs/clients.md")
        const cwd = yield* ServerProcess.temporaryDirectory
        const said = yield* run("python3", ["-c", yield* atServer(program)], { cwd })
        assert.match(
          said,
          /^Completed \['--verbose'\] 1 2 3\n\nINVALID_REQUEST language: expected .* False None\n$/
        )
      })
    )

    it.scoped("in TypeScript", () =>
      Effect.gen(function* () {
        const [program] = blocks("ts", "docs/clients.md")
        const contents = yield* atServer(program)
        const outfile = join(yield* ServerProcess.temporaryDirectory, "main.mjs")
        const stdin = { contents, loader: "ts", resolveDir: pathOf("packages/http/src") } as const
        yield* Effect.promise(() =>
          build({
            stdin,
            outfile,
            bundle: true,
            platform: "node",
            format: "esm",
            conditions: ["bulkhead-source"]
          })
        )
        assert.strictEqual(
          yield* run(process.execPath, [outfile]),
          "{ stdout: '1 2 3\\n', running: 0, artifacts: [] }\n"
        )
      })
    )
  }
)

describe("the README and docs/", () => {
  it("have no command that this test does not run", () => {
    assert.deepStrictEqual(others, [])
  })
})
