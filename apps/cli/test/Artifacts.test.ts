import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Artifact } from "@bulkhead/domain"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { forTerminals } from "../../server/test/HostileTexts.js"
import * as Artifacts from "../src/run/Artifacts.js"
import type { Connection } from "../src/server/Connection.js"

const content = Buffer.from("content")

/** A server that gives the same file under whatever name. */
const lying = {
  url: "http://server.test",
  ask: (request: Effect.Effect<unknown>) => request,
  client: { artifacts: { read: () => Effect.succeed(content) } }
} as unknown as Connection

const artifact = (name: string, bytes: Uint8Array = content): Artifact => ({
  name,
  size: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex"),
  mediaType: "text/plain"
})

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "bulkhead-cli-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const save = (directory: string, names: ReadonlyArray<string | Artifact>, overwrite = false) =>
  Artifacts.saveAll(
    lying,
    "exec_1",
    names.map((name) => (typeof name === "string" ? artifact(name) : name)),
    { directory, overwrite }
  ).pipe(Effect.provide(NodeContext.layer))

const hostileNames = [
  ...[
    "../out",
    "..",
    ".",
    "",
    "/etc/out",
    "a/../../out",
    "a//b",
    "./a",
    "a/",
    "~/../../x/..",
    "é".normalize("NFD")
  ],
  ...[`${"x".repeat(300)}`, "a/".repeat(600), "a\0b", "a\nb"],
  ...forTerminals.filter((value) => /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(value))
]

describe("files that a program left", () => {
  it.scoped("are saved beneath the directory alone, whatever names the server gives", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const place = join(directory, "out")
      mkdirSync(place)
      const saved = yield* save(place, hostileNames)
      assert.isAtLeast(hostileNames.length, 40)
      assert.isTrue(saved.every(Either.isLeft))
      for (const one of saved)
        if (Either.isLeft(one)) assert.notMatch(one.left.message, /[\p{C}\p{Zl}\p{Zp}]/u)
      assert.deepStrictEqual(readdirSync(directory), ["out"])
      assert.deepStrictEqual(readdirSync(place), [])
    })
  )

  it.scoped("follow no link out of it, and replace nothing unless that is asked for", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [place, elsewhere] = [join(directory, "out"), join(directory, "elsewhere")]
      mkdirSync(place)
      mkdirSync(elsewhere)
      writeFileSync(join(elsewhere, "kept"), "mine")
      writeFileSync(join(place, "kept"), "mine")
      symlinkSync(elsewhere, join(place, "link"))
      symlinkSync(join(elsewhere, "kept"), join(place, "file"))
      symlinkSync(join(elsewhere, "new"), join(place, "dangling"))
      const names = ["link/kept", "link/new", "kept", "file", "dangling"]
      assert.isTrue((yield* save(place, names)).every(Either.isLeft))
      assert.strictEqual(readFileSync(join(place, "kept"), "utf8"), "mine")

      const replaced = yield* save(place, names, true)
      assert.deepStrictEqual(replaced.map(Either.isRight), [false, false, true, true, true])
      for (const name of ["kept", "file", "dangling"])
        assert.strictEqual(readFileSync(join(place, name), "utf8"), "content")
      assert.strictEqual(readFileSync(join(elsewhere, "kept"), "utf8"), "mine")
      assert.isFalse(existsSync(join(elsewhere, "new")))
    })
  )

  it.scoped("are whole, and what the result names", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const other = artifact("other", Buffer.from("something else"))
      const saved = yield* save(directory, ["a/b/c.txt", "日本語.txt", other])
      assert.deepStrictEqual(saved.map(Either.isRight), [true, true, false])
      assert.deepStrictEqual(readdirSync(directory, { recursive: true }).toSorted(), [
        ...["a", "a/b", "a/b/c.txt", "日本語.txt"]
      ])
    })
  )
})
