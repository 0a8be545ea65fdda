import { createHash } from "node:crypto"
import type { ExecutionRequestInput } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

/** A program that prints its arguments as JSON, then the SHA-256 of its input. */
const telling: Readonly<Record<string, string>> = {
  python:
    "import sys, json, hashlib\nprint(json.dumps(sys.argv[1:]))\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())",
  javascript: `import { createHash } from "node:crypto"
    console.log(JSON.stringify(process.argv.slice(2)))
    const hash = createHash("sha256")
    for await (const piece of process.stdin) hash.update(piece)
    console.log(hash.digest("hex"))`,
  bash: `python3 -c 'import sys, json; print(json.dumps(sys.argv[1:]))' "$@" < /dev/null
    sha256sum | cut -d ' ' -f 1`
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const tell = Effect.fnUntraced(function* (request: ExecutionRequestInput) {
  const { stdout, verdict } = yield* Caller.execute(request)
  assert.strictEqual(verdict, "Completed")
  const [args = "", sum] = stdout.trim().split("\n")
  return { args: JSON.parse(args), sum }
})

/** Every byte, many times, in no order that a line or a character would keep. */
const large = Buffer.alloc(
  6_000_000,
  Buffer.from(Array.from({ length: 256 }, (_, index) => (index * 7) % 256))
)

const odd = ["a b", "", "-n", "--help", "one\ntwo", "100% %0A", `'"$HOME" \`id\`\\`, "é 中 🙂"]

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: "60 seconds" })(
  "the input and the arguments of a program",
  (it) => {
    for (const [language, code] of Object.entries(telling)) {
      it.effect(`in ${language} are exact`, () =>
        Effect.gen(function* () {
          const text = yield* tell({ code, language, stdin: "ä\0\r\n", args: odd })
          assert.deepStrictEqual(text, { args: odd, sum: sha256(Buffer.from("ä\0\r\n")) })
          const bytes = { stdin: large.toString("base64"), stdinEncoding: "base64" as const }
          assert.deepStrictEqual(yield* tell({ code, language, ...bytes }), { args: [], sum: sha256(large) })
          assert.deepStrictEqual(yield* tell({ code, language }), { args: [], sum: sha256(Buffer.of()) })
        })
      )
    }

    it.effect("hold up nobody who does not read them, and are in no file", () =>
      Effect.gen(function* () {
        const { stdout, verdict } = yield* Caller.execute({
          code: "import os; print(sorted(os.listdir()), os.path.lexists('.bulkhead-stdin'))",
          stdin: large.toString("base64"),
          stdinEncoding: "base64",
          args: Array.from({ length: 1024 }, () => "x".repeat(16))
        })
        assert.strictEqual(verdict, "Completed")
        assert.strictEqual(stdout, "['main.py', 'output'] False\n")
      })
    )

    it.effect("reach a program that only its child reads for", () =>
      Effect.gen(function* () {
        const { stdout } = yield* Caller.execute({
          code: "import subprocess; print(subprocess.run(['sort'], capture_output=True, text=True).stdout)",
          stdin: "b\na\n"
        })
        assert.strictEqual(stdout, "a\nb\n\n")
      })
    )
  }
)
