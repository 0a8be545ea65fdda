import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { Guest } from "@bulkhead/guest"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sums } from "../src/Sums.js"

const script = fileURLToPath(new URL("../../../scripts/guest.mjs", import.meta.url))

/** What the script exits with where a compiler cannot be had. */
const LACKING = 75

const runScript = (...words: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number | null; readonly said: string }>((resume) => {
    const child = spawn(process.execPath, [script, ...words])
    let said = ""
    const hear = (bytes: Buffer) => {
      said += bytes.toString()
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.on("close", (code) => resume(Effect.succeed({ code, said })))
    return Effect.sync(() => child.kill())
  })

describe("The guest program", () => {
  for (const architecture of ["x64", "arm64"] as const)
    it.effect(`for ${architecture} is small, static, and the one that its sum tells`, () =>
      Effect.gen(function* () {
        const { bytes, path } = yield* Guest.read(architecture)
        assert.strictEqual(createHash("sha256").update(bytes).digest("hex"), sums[architecture])
        assert.isBelow(bytes.length, 128 * 1024)
        assert.strictEqual(statSync(path).mode & 0o111, 0o111)
        const packed = yield* Guest.packed(architecture)
        // Linux takes at most 128 KiB in one environment variable.
        assert.isBelow(packed.length, 100_000)
        assert.deepStrictEqual(new Uint8Array(gunzipSync(Buffer.from(packed, "base64"))), bytes)
        // No program header of the type that names a dynamic linker.
        const view = new DataView(bytes.buffer, bytes.byteOffset)
        const [start, size, count] = [
          Number(view.getBigUint64(32, true)),
          view.getUint16(54, true),
          view.getUint16(56, true)
        ]
        const types = Array.from({ length: count }, (_, index) => view.getUint32(start + index * size, true))
        assert.notInclude(types, 3)
      })
    )

  it.concurrent("is built anew from its sources bit for bit", { timeout: 600_000 }, async ({ skip }) => {
    const directory = mkdtempSync(join(tmpdir(), "guest-build-"))
    const { code, said } = await Effect.runPromise(runScript("build", directory))
    if (code === LACKING) skip(said)
    assert.strictEqual(code, 0, said)
    for (const architecture of ["x64", "arm64"] as const) {
      const sum = createHash("sha256").update(readFileSync(join(directory, `guest-${architecture}`)))
      assert.strictEqual(sum.digest("hex"), sums[architecture], "npm run guest, and commit what it makes")
    }
    rmSync(directory, { recursive: true })
  })

  it.concurrent("reads nothing beyond what it is given", { timeout: 300_000 }, async ({ skip }) => {
    const { code, said } = await Effect.runPromise(runScript("fuzz", "7"))
    if (code === LACKING) skip(said)
    assert.strictEqual(code, 0, said)
  })
})
