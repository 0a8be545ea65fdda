import { readFileSync } from "node:fs"
import { UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { AllowedArtifacts, layer, parse, parseForUsers } from "../src/AllowedArtifacts.js"
import { artifactGroups, defaultWhitelist, type Whitelist } from "../src/ArtifactKinds.js"
import { text } from "./ArtifactFixture.js"
import { flawOf } from "./Inspecting.js"

const allowedBy = (list: string, before: Whitelist = defaultWhitelist) =>
  Object.keys(Either.getOrThrow(parse(list))(before))

const inGroups = (...groups: ReadonlyArray<string>) =>
  Object.keys(defaultWhitelist).filter((extension) =>
    groups.includes(defaultWhitelist[extension]?.group ?? "")
  )

describe("a list of what may be kept", () => {
  const all = Object.keys(defaultWhitelist)
  const rows: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["all", all],
    ["", []],
    ["-all", []],
    ["images", inGroups("images")],
    ["images, data", inGroups("images", "data")],
    [".csv .PNG", ["csv", "png"]],
    ["images -.svg +.csv", [...inGroups("images").filter((extension) => extension !== "svg"), "csv"]],
    ["-video", all.filter((extension) => !inGroups("video").includes(extension))],
    ["+.foo", [...all, "foo"]],
    [".", [""]],
    ["all -all .csv", ["csv"]]
  ]
  for (const [list, extensions] of rows) {
    it(`is ${JSON.stringify(list)}`, () =>
      assert.deepStrictEqual(allowedBy(list).toSorted(), [...extensions].toSorted()))
  }

  for (const list of [
    "pictures",
    "csv .png",
    "--images",
    "*.csv",
    ".tar.gz",
    "images; data",
    ".é",
    "constructor",
    "ALL"
  ]) {
    it(`is not ${JSON.stringify(list)}`, () => {
      const wrong = Either.getOrThrow(Either.flip(parse(list)))
      assert.match(wrong, /^got '/)
    })
  }

  it("has kinds of every group", () => {
    for (const group of artifactGroups.filter((group) => group !== "archives"))
      assert.isNotEmpty(inGroups(group), group)
  })

  it.effect("allows by name what is in no table, if it is text", () =>
    Effect.gen(function* () {
      const whitelist = Either.getOrThrow(parse("+.foo -."))(defaultWhitelist)
      assert.isUndefined(yield* flawOf("a.foo", text("a"), { whitelist }))
      assert.isString(yield* flawOf("a.foo", text("\0"), { whitelist }))
      assert.strictEqual(yield* flawOf("Makefile", text("a"), { whitelist }), "it has no extension")
      assert.strictEqual(
        yield* flawOf("Dockerfile.prod", text("a"), { whitelist }),
        "its extension .prod is not allowed; if it is text, call it .txt"
      )
    })
  )
})

const page = readFileSync(new URL("../../../docs/artifacts.md", import.meta.url), "utf8")

const rowOf = (group: string) => {
  const extensions = inGroups(group).map((extension) => (extension === "" ? "(none)" : extension))
  return `| \`${group}\` | ${extensions.toSorted().join(" ")} |`
}

describe("docs/artifacts.md", () => {
  it("has every extension, by groups", () => {
    const table = ["| group | extensions |", "|---|---|", ...artifactGroups.map(rowOf)].join("\n")
    assert.strictEqual(/^\| group \|.*\n(?:\|.*\n)+/m.exec(page)?.[0].trimEnd(), table)
  })
})

describe("the lists of users", () => {
  it("are pairs, and count over what everybody's is", () => {
    const users = Either.getOrThrow(parseForUsers("ann@example.com images .csv; bob:1,2 -video;"))
    assert.deepStrictEqual([...users.keys()], ["ann@example.com", "bob:1,2"])
    assert.deepStrictEqual(Object.keys(users.get("bob:1,2")?.({}) ?? {}), [])
    assert.include(Object.keys(users.get("ann@example.com")?.({}) ?? {}), "csv")
  })

  for (const [lists, wrong] of [
    ["ann", "got no list for 'ann'"],
    ["ann pictures", "got 'pictures'"],
    ["a/b images", "got the user 'a/b'"]
  ] as const) {
    it(`are not ${JSON.stringify(lists)}`, () =>
      assert.deepStrictEqual(Either.flip(parseForUsers(lists)), Either.right(wrong)))
  }

  it.effect("are in force for each of them", () =>
    Effect.gen(function* () {
      const { of } = yield* AllowedArtifacts
      const keysOf = (user: string) =>
        Effect.map(of(UserId.make(user)), (whitelist) => Object.keys(whitelist).toSorted())
      assert.deepStrictEqual(yield* keysOf("ann"), ["csv", "png"])
      assert.deepStrictEqual(yield* keysOf("bob"), ["html", "png"])
      assert.deepStrictEqual(yield* keysOf("constructor"), ["csv", "html"])
    }).pipe(
      Effect.provide(
        layer({
          kinds: Either.getOrThrow(parse(".csv .html")),
          ofUsers: Either.getOrThrow(parseForUsers("ann .csv .png; bob -.csv +.png"))
        })
      )
    )
  )
})
