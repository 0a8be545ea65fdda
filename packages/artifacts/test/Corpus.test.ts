import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { brotliDecompressSync } from "node:zlib"
import { afterAll, assert, describe, layer } from "@effect/vitest"
import { Array as Arr, Effect } from "effect"
import * as Judge from "./Judge.js"

/** A file of the corpus, and what the gate says of it. */
interface Row {
  readonly file: string
  /** The library that made it. */
  readonly by: string
  readonly gate: "keeps" | "refuses"
  /** Why it is refused. */
  readonly since?: string
}

const committed = fileURLToPath(new URL("../corpus", import.meta.url))

/** `npm run corpus` judges what it made anew. */
const made = process.env.CORPUS

const unpacked = () => {
  const directory = mkdtempSync(join(tmpdir(), "bulkhead-corpus-"))
  const archive = brotliDecompressSync(readFileSync(join(committed, "corpus.tar.br")))
  const { status } = spawnSync("tar", ["-x", "-C", directory], { input: archive })
  assert.strictEqual(status, 0)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const files = made === undefined ? unpacked() : join(made, "files")
const rows: ReadonlyArray<Row> = readFileSync(join(made ?? committed, "corpus.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))

const wrongly = Effect.fnUntraced(function* ({ file, gate }: Row) {
  const flaw = yield* Judge.flawOf(file, readFileSync(join(files, file)))
  const says = flaw === undefined ? "keeps" : "refuses"
  return says === gate ? [] : [`${file}: ${flaw ?? "kept"}`]
})

layer(Judge.threads, { excludeTestServices: true })("files that real libraries made", (it) => {
  it("are at least 150, and each has its row", () => {
    const there = readdirSync(files, { recursive: true, encoding: "utf8" }).filter((name) =>
      statSync(join(files, name)).isFile()
    )
    assert.isAtLeast(rows.length, 150)
    assert.deepStrictEqual(rows.map(({ file }) => file).toSorted(), there.toSorted())
  })

  describe("are kept or refused as the table says", () => {
    for (const [folder, ofFolder] of Object.entries(Arr.groupBy(rows, ({ file }) => dirname(file)))) {
      it.effect(folder, () =>
        Effect.gen(function* () {
          const wrong = yield* Effect.forEach(ofFolder, wrongly, { concurrency: 2 })
          assert.deepStrictEqual(wrong.flat(), [])
        })
      )
    }
  })
})
