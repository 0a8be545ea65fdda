import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as Judge from "./Judge.js"

/** A file that means harm. */
interface Row {
  readonly file: string
  readonly what: string
  /** `bounds`: it may be kept, but must be judged in time. */
  readonly gate: "refuses" | "bounds"
}

const directory = mkdtempSync(join(tmpdir(), "bulkhead-hostile-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const maker = fileURLToPath(new URL("hostile/make.py", import.meta.url))
const { status, stderr, stdout } = spawnSync("python3", [maker, directory], { encoding: "utf8" })
const rows: ReadonlyArray<Row> = stdout
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))

layer(Judge.threads, { excludeTestServices: true })("files that mean harm", (it) => {
  it("are made", () => assert.strictEqual(status, 0, stderr))

  for (const { file, gate, what } of rows) {
    it.effect(`${gate === "refuses" ? "refused" : "judged in time"}: ${what} (${file})`, () =>
      Effect.gen(function* () {
        const [took, flaw] = yield* Effect.timed(Judge.flawOf(file, readFileSync(join(directory, file))))
        if (gate === "refuses") assert.isString(flaw)
        // A thread is ended after 10 seconds: what takes that long holds others up, even if it is refused.
        assert.isBelow(Duration.toSeconds(took), 8)
        assert.notMatch(flaw ?? "", /it took/)
      })
    )
  }
})
