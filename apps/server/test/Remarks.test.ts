import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const names = (artifacts: ReadonlyArray<{ readonly name: string }>) => artifacts.map(({ name }) => name)

/** One program that does all that is easily overlooked, and exits with 0. */
const careless = `
import os, subprocess, sys, unicodedata
open("plot.csv", "w").write("a,b")
os.makedirs("results")
open("results/sums\\u202e.csv", "w").write("a,b")
for name in ("NFD", "NFC"):
    open("output/" + unicodedata.normalize(name, "résumé.csv"), "w").write("a")
os.makedirs("output/node_modules/a")
for n in range(1500):
    open(f"output/node_modules/a/{n}.md", "w").write("a")
sys.stdout.write("a" + "🎉" * 300_000)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", "x = []\\nwhile True: x.append(bytearray(10_000_000))"])
`

layer(ServerProcess.layer({ SANDBOX_MAX_MEMORY_MB: "192" }), {
  excludeTestServices: true,
  timeout: "90 seconds"
})("a result", (it) => {
  it.scoped(
    "says what would otherwise vanish without a word, also where it is read later",
    () =>
      Effect.gen(function* () {
        const result = yield* Caller.execute({ code: careless, userId: "ann" })
        assert.strictEqual(result.verdict, "Completed")
        const { artifacts, hints = [], output, rejectedArtifacts, rejectedCounts = [], stdout } = result

        assert.strictEqual(artifacts.length, 20)
        assert.includeMembers(names(artifacts), ["résumé.csv", "résumé (2).csv"])
        assert.isBelow(rejectedArtifacts.length, 10)
        assert.strictEqual(
          rejectedCounts.reduce((sum, { count }) => sum + count, 0),
          1482
        )

        const remarks = [
          /^The memory limit of 192 MB killed 1 process of the program/,
          /^2 files were left outside output\/: plot\.csv, results\/sums\\u\{202e\}\.csv\. /,
          /^1482 files were not kept, beside 20 that were/,
          /^A file is kept as résumé \(2\)\.csv/
        ]
        assert.strictEqual(hints.length, remarks.length, hints.join("\n"))
        for (const [index, remark] of remarks.entries()) assert.match(hints[index] ?? "", remark)

        assert.isTrue(output.truncated)
        const [head = "", left, tail = ""] = stdout.split(/\n\[(\d+) bytes left out\]\n/)
        assert.match(head, /^a(🎉)+$/u)
        assert.match(tail, /^(🎉)+$/u)
        assert.strictEqual(Buffer.byteLength(head + tail) + Number(left), output.stdoutBytes)

        const kept = yield* Caller.get(`/api/executions/${result.executionId}`)
        assert.deepStrictEqual(kept.result.hints, hints)
        assert.deepStrictEqual(kept.result.rejectedCounts, rejectedCounts)
      }),
    60_000
  )

  it.scoped(
    "has of a whole home what the program made or changed",
    () =>
      Effect.gen(function* () {
        const file = (path: string) => ({ path, content: "a" })
        const result = yield* Caller.execute({
          code: `
import os, pathlib
assert os.environ["SANDBOX_OUTPUT_DIR"] == os.getcwd()
for name in ("plot.csv", "in/changed.csv", "__pycache__/a.csv", ".config/a.csv", "output/deep/a.csv"):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a").write("b")
`,
          files: ["kept.csv", "in/kept.csv", "in/changed.csv", "in/other.md"].map(file),
          outputDir: ".",
          stdin: "a"
        })
        assert.deepStrictEqual(names(result.artifacts), ["in/changed.csv", "output/deep/a.csv", "plot.csv"])
        assert.deepStrictEqual(result.rejectedArtifacts, [])
        assert.isUndefined(result.hints)

        const nothing = yield* Caller.execute({ code: "1", files: [file("a.csv")], outputDir: "." })
        assert.deepStrictEqual([nothing.artifacts, nothing.rejectedArtifacts], [[], []])
      }),
    60_000
  )

  it.scoped(
    "says that a heap ran out, and not that one was printed to have",
    () =>
      Effect.gen(function* () {
        const node = "const all = []; for (;;) all.push(new Array(100_000).fill(all.length))"
        const failed = yield* Caller.execute({
          code: `process.chdir("/tmp"); require("node:child_process").execFileSync("node", ["--max-old-space-size=32", "-e", ${JSON.stringify(node)}], { stdio: "inherit" })`,
          language: "javascript"
        })
        assert.oneOf(failed.verdict, ["NonZeroExit", "Signalled"])
        assert.match(failed.hints?.[0] ?? "", /ran out of memory: it had \d+ MB, its limit is 192 MB/)
        const python = yield* Caller.execute({ code: "bytearray(10 ** 14)" })
        assert.match(python.hints?.[0] ?? "", /ran out of memory/)
        const printed = yield* Caller.execute({ code: "import sys; sys.stderr.write('MemoryError\\n')" })
        assert.isUndefined(printed.hints)
      }),
    60_000
  )
})
