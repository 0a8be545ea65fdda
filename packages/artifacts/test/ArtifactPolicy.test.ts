import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { defaultWhitelist } from "../src/ArtifactKinds.js"
import * as ArtifactPolicy from "../src/ArtifactPolicy.js"
import * as Files from "./ArtifactFixture.js"
import { flawOf } from "./Inspecting.js"

const { docx, gif, jpeg, npy, pdf, png, text, whole, zip } = Files
const mismatch = "its content is not what its name says"
const executables: ReadonlyArray<readonly [string, Buffer]> = [
  ["an ELF", Files.elf],
  ["a Windows program", Buffer.from(`MZ\x90\0${"\0".repeat(124)}`, "latin1")],
  ["a Mach-O", Buffer.from("cffaedfe0700000103000000", "hex")],
  ["Java's bytecode", Buffer.from("cafebabe00000034", "hex")],
  ["WebAssembly", Buffer.from("0061736d01000000", "hex")],
  ["a zip", zip([{ name: "a", content: text("a") }])]
]

describe("what is kept", () => {
  it("has a whole file of each kind to test with that is more than text", () => {
    const binaries = Object.entries(defaultWhitelist).filter(([, { checks }]) => !checks.includes("text"))
    const missing = binaries.map(([extension]) => `a.${extension}`).filter((name) => !(name in whole))
    assert.deepStrictEqual(missing, [])
  })

  for (const [name, content] of Object.entries(whole)) {
    it.effect(`${name}, however its bytes come`, () =>
      Effect.gen(function* () {
        for (const piece of [65_536, 7, 1]) assert.isUndefined(yield* flawOf(name, content, { piece }))
      })
    )
  }

  it.effect("an empty text, and an extension in capitals", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* flawOf("a.txt", text("")))
      assert.isUndefined(yield* flawOf("a.PNG", png()))
    })
  )
})

describe("what no kind lets pass", () => {
  for (const [what, content] of executables) {
    it.effect(what, () =>
      Effect.gen(function* () {
        for (const name of Object.keys(whole)) {
          if (name !== "a.zip" && name !== "a.kmz") assert.isString(yield* flawOf(name, content), name)
        }
      })
    )
  }

  const binary = Object.entries(whole).filter(
    ([name]) => typeof ArtifactPolicy.judgeName(name) !== "string" && whole[name]?.includes(0)
  )
  for (const [name, content] of binary) {
    it.effect(`a zip behind ${name}`, () =>
      Effect.gen(function* () {
        const appended = Buffer.concat([content, zip([{ name: "a.class", content: text("a") }])])
        for (const piece of [65_536, 1]) assert.isString(yield* flawOf(name, appended, { piece }))
      })
    )
  }
})

describe("what is refused, and why", () => {
  const image = (content: string) => png(["tEXt", content])
  const entry = (name: string) => docx({ name, content: text("a") })
  const rows: ReadonlyArray<readonly [string, string, Uint8Array, string]> = [
    ["data behind a PNG", "a.png", Buffer.concat([png(), text("\n")]), "data after its end"],
    ["data behind a GIF", "a.gif", Buffer.concat([gif, text("x")]), "data after its end"],
    ["data behind a JPEG", "a.jpg", Buffer.concat([jpeg, text("x")]), "data after its end"],
    ["data behind a WAV", "a.wav", Buffer.concat([Files.wav, text("x")]), "data after its end"],
    ["data behind a BMP", "a.bmp", Buffer.concat([Files.bmp, text("x")]), "data after its end"],
    ["data behind a PDF", "a.pdf", Buffer.concat([pdf(), text("x")]), "data after its end"],
    ["data behind a document", "a.docx", Buffer.concat([docx(), text("x")]), "data after its end"],
    ["data behind an array", "a.npy", npy("'<i4'", "(1,)", Buffer.alloc(5)), "data after its end"],
    ["data behind a table", "a.parquet", Buffer.concat([Files.parquet, text("x")]), "it is cut short"],
    ["half an array", "a.npy", npy("'<i4'", "(2,)", Buffer.alloc(4)), "it is cut short"],
    ["half a GIF", "a.gif", gif.subarray(0, -1), "it is cut short"],
    ["half an MP4", "a.mp4", Files.mp4.subarray(0, -1), "it is cut short"],
    ["a PHP script in a PNG", "a.png", image("c\0<?php"), "it has a script in it"],
    ["a page's script in a PNG", "a.png", image("c\0<SCRIPT src=x>"), "it has a script in it"],
    ["a bitmap that is a page too", "a.bmp", text("BM=1;/*<html>*/"), "it is cut short"],
    [
      "a GIF that is a JavaScript too",
      "a.gif",
      text("GIF89a=1/*padding*/;alert(1)"),
      "it is not a whole GIF"
    ],
    [
      "other boxes in an MP4",
      "a.mp4",
      Buffer.concat([Files.mp4, Buffer.from("\0\0\0\x08evil")]),
      "it has parts that are not of an MP4"
    ],
    ["another image", "a.png", gif, `${mismatch}: it looks like gif`],
    ["nothing for an image", "a.png", text(""), "it is empty"],
    ["pickled objects", "a.npy", npy("'|O'", "(1,)", text("cos\nsystem")), "it holds pickled objects"],
    [
      "pickled objects among fields",
      "a.npy",
      npy("[('a', '<f8'), ('b', 'O')]", "(1,)", text("cos")),
      "it holds pickled objects"
    ],
    ["half an array of fields", "a.npy", npy("[('a', '<f8')]", "(2,)", Buffer.alloc(8)), "it is cut short"],
    [
      "an array without end",
      "a.npy",
      npy("'<f8'", "(99999999, 99999999, 99999999)", Buffer.alloc(8)),
      "it holds elements that are not plain numbers or text"
    ],
    ["a PDF as text", "a.txt", pdf(), `${mismatch}: it looks like pdf`],
    ["a PDF behind something else", "a.pdf", Buffer.concat([text("junk"), pdf()]), mismatch],
    [
      "a zip bomb",
      "a.docx",
      docx({ name: "word/a.xml", content: Buffer.alloc(11 << 20) }),
      "it unpacks to more than 10 MB and 100 times its size"
    ],
    [
      "one made of entries that overlap",
      "a.docx",
      docx({ name: "word/a.xml", content: text("a"), says: { offset: 10 } }),
      "its directory does not say what is in it"
    ],
    [
      "one that is too large in all",
      "a.docx",
      docx({ name: "word/a.xml", content: text("a"), says: { uncompressed: 2 ** 31 } }),
      "it is not a whole zip archive"
    ],
    [
      "an encrypted entry",
      "a.docx",
      docx({ name: "word/a.xml", content: text("a"), says: { flags: 1 } }),
      "it is encrypted"
    ],
    ["half an archive in it", "a.docx", entry("word/a.tar"), "it has word/a.tar in it: it is cut short"],
    [
      "macros",
      "a.docx",
      entry("word/vbaProject.bin"),
      "it has word/vbaProject.bin in it: it has a program or macros in it"
    ],
    ["a program", "a.docx", entry("word/a.EXE"), "it has word/a.EXE in it: it only runs"],
    [
      "a control",
      "a.docx",
      entry("word/activeX/activeX1.bin"),
      "it has word/activeX/activeX1.bin in it: it has a program or macros in it"
    ],
    [
      "an entry that climbs",
      "a.docx",
      entry("../a"),
      "it has an entry with the hostile name ../a: it has '.' or '..' in it"
    ],
    [
      "an entry that climbs on Windows",
      "a.docx",
      entry("..\\a"),
      "it has an entry with the hostile name ..\\\\a: it has a backslash"
    ],
    ["another document", "a.xlsx", docx(), `${mismatch}: it looks like zip`],
    ["no document", "a.docx", zip([{ name: "a", content: text("a") }]), `${mismatch}: it looks like zip`],
    ["half a document", "a.docx", docx().subarray(0, -30), "it is cut short"],
    [
      "a document behind something else",
      "a.docx",
      Buffer.concat([zip([{ name: "x", content: text("x") }]).subarray(0, 40), docx()]),
      "its directory does not say what is in it"
    ]
  ]
  for (const [what, name, content, flaw] of rows) {
    it.effect(what, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* flawOf(name, content), flaw)
        assert.isString(yield* flawOf(name, content, { piece: 1 }))
      })
    )
  }

  it.effect("a zip with too many entries", () => {
    const entry = zip([{ name: "a", content: text(""), isStored: true }]).subarray(0, 31)
    return Effect.map(flawOf("a.zip", Buffer.alloc(10_001 * entry.length, entry)), (flaw) =>
      assert.strictEqual(flaw, "it has more than 10000 entries, or too long names")
    )
  })
})

describe("whatever comes", () => {
  const names = FastCheck.constantFrom(...Object.keys(whole))
  const bytes = FastCheck.uint8Array({ maxLength: 300 })
  const beginning = names.chain((name) =>
    FastCheck.tuple(FastCheck.constant(name), FastCheck.nat({ max: whole[name]?.length ?? 0 }), bytes)
  )

  it.effect.prop(
    "is kept or refused, the same however it is cut",
    [beginning, FastCheck.integer({ min: 1, max: 64 })],
    ([[name, length, more], piece]) =>
      Effect.gen(function* () {
        const content = Buffer.concat([whole[name]?.subarray(0, length) ?? Buffer.alloc(0), more])
        const flaw = yield* flawOf(name, content)
        assert.strictEqual(typeof (yield* flawOf(name, content, { piece })), typeof flaw)
      })
  )

  it.effect.prop(
    "has a name that is kept or refused",
    [FastCheck.fullUnicodeString(), bytes],
    ([name, content]) =>
      Effect.gen(function* () {
        for (const given of [name, `${name}.txt`, `${name}/a.txt`]) {
          const flaw = yield* flawOf(given, content)
          assert.isTrue(flaw === undefined || flaw.length > 0)
        }
      })
  )
})
