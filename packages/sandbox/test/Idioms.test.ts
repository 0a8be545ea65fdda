import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const packages = fileURLToPath(new URL("../..", import.meta.url))

const sourcesOf = (name: string) =>
  readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(name, "src", file))

const linesWith = (pattern: RegExp, files: ReadonlyArray<string>) =>
  files.flatMap((file) =>
    readFileSync(join(packages, file), "utf8")
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []))
  )

/** Time, concurrency and failure by other means than Effect's. */
const byHand =
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\(|\bDate\.now\(|\bnew Date\(\)|\bnew Promise\b|\btry \{|\.then\(|\baddObserver\b|\bprocess\.env\b/

const unsafe = /\bunsafe[A-Z]|\.unsafe/

/** The core, and what has no edge to anything that is not Effect. */
const pure = ["domain", "sandbox", "artifacts", "api"]

describe("Time, retries and concurrency are Effect's own", () => {
  for (const name of pure) {
    it(`in ${name}`, () => {
      const sources = sourcesOf(name)
      assert.isNotEmpty(sources)
      assert.deepStrictEqual(linesWith(byHand, sources), [])
      assert.deepStrictEqual(linesWith(unsafe, sources), [])
    })
  }

  it("and elsewhere, at most five calls at the edges are unsafe", () => {
    const outside = readdirSync(packages).filter((name) => !["host", "testing", "guest"].includes(name))
    assert.isAtMost(linesWith(unsafe, outside.flatMap(sourcesOf)).length, 5)
  })

  it("and a bound around what is slow to interrupt can interrupt it wherever it stands", () => {
    const outside = readdirSync(packages).filter((name) => !["testing", "guest"].includes(name))
    const bounds = outside
      .flatMap(sourcesOf)
      .flatMap((file) =>
        [...readFileSync(join(packages, file), "utf8").matchAll(/Effect\.disconnect,[^;]{0,400}/g)].map(
          ([text]) => `${file}: ${text}`
        )
      )
    const timed = bounds.filter((text) => text.includes("Effect.timeout"))
    assert.isAbove(timed.length, 10)
    assert.deepStrictEqual(
      timed.filter((text) => !text.includes("Effect.interruptible")),
      []
    )
  })

  it("the card's own primitives are where it names them", () => {
    const use = (file: string, pattern: RegExp) =>
      assert.match(readFileSync(join(packages, "sandbox/src", file), "utf8"), pattern)
    use("Admission/Admission.ts", /Effect\.makeSemaphore/)
    use("Supervision/Supervision.ts", /Effect\.raceAll/)
    use("Supervision/Supervision.ts", /Effect\.timeout/)
    use("Execution/Execution.ts", /Effect\.retry/)
    use("Execution/Retries.ts", /Schedule\.exponential/)
    use("Sandboxes/SandboxSupply.ts", /Layer\.scoped\(\s*Sandbox,/)
  })
})
