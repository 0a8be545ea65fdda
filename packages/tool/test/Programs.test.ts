import { spawn } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { build } from "esbuild"

const pathOf = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url))

const example = pathOf("examples/tool-registry/main.ts")

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "bulkhead-tool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A program as one file, the guest program beside it. */
const bundled = Effect.fnUntraced(function* (program: string, external: Array<string>) {
  const path = yield* directory
  const outfile = join(path, "main.mjs")
  yield* Effect.promise(() =>
    build({
      stdin: { contents: program, loader: "ts", resolveDir: dirname(example) },
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["bulkhead-source"],
      external,
      banner: {
        // By another name than the e2b SDK has for it.
        js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url)'
      },
      logLevel: "error"
    })
  )
  const guest = `guest-${process.arch}`
  copyFileSync(pathOf(`packages/guest/bin/${guest}`), join(path, guest))
  return outfile
})

/** What a program prints in a process of its own, which must end by itself. */
const run = Effect.fnUntraced(function* (program: string, notInstalled: Array<string> = []) {
  const file = yield* bundled(program, notInstalled)
  return yield* Effect.async<string, string>((resume) => {
    const { E2B_API_KEY: _, ...env } = process.env
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"], env })
    let said = ""
    let errors = ""
    child.stdout.on("data", (chunk) => {
      said += chunk
    })
    child.stderr.on("data", (chunk) => {
      errors += chunk
    })
    child.once("close", (code) => resume(code === 0 ? Effect.succeed(said) : Effect.fail(errors)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
}, Effect.timeout("25 seconds"))

const [greeting = "", ownLimits = ""] = [
  ...readFileSync(pathOf("packages/tool/README.md"), "utf8").matchAll(/^```ts\n(.*?)^```/gms)
].map(([, program]) => program)

describe("a program ends by itself once it has closed the manager", () => {
  it.scopedLive("the registry of tools", () =>
    Effect.gen(function* () {
      const said = yield* run(readFileSync(example, "utf8"))
      assert.include(
        said,
        "execute_code(code, language, image, timeout, retryOnFailure, files, env, secrets, args, stdin, stdinEncoding, gpu, outputDir, network)"
      )
      assert.match(
        said,
        /success: true,\s+stdout: 'Hello, World!\\n',\s+stderr: '',\s+exitCode: 0,\s+retries: 0/
      )
      assert.include(said, "[info] execution_completed: ")
      assert.match(said, /^INVALID_REQUEST: code: is missing$/m)
    })
  )

  it.scopedLive("the README's program", () =>
    Effect.gen(function* () {
      const said = yield* run(greeting)
      assert.match(said, /^Hello, World!\n 0 0\n/)
      assert.include(said, "[info] execution_completed: ")
    })
  )

  it.scopedLive("one that imports it and calls nothing, without closing anything", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* run(`${ownLimits}\nconsole.log(executeCode.name)`), "execute_code\n")
    })
  )

  it.scopedLive("one beside which the host is not installed, which is told to install it", () =>
    Effect.gen(function* () {
      const said = yield* run(greeting, ["@bulkhead/host"])
      assert.include(said, "SANDBOX_BACKEND: 'embedded' needs the package @bulkhead/host: install it beside")
    })
  )
})
