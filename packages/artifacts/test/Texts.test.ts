import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { defaultWhitelist } from "../src/ArtifactKinds.js"
import { elf, gif, pdf, png, text, zip } from "./ArtifactFixture.js"
import { flawOf, inspect } from "./Inspecting.js"

const latin1 = (content: string) => Buffer.from(content, "latin1")
const utf16le = (content: string) => Buffer.from(`\ufeff${content}`, "utf16le")
const utf16be = (content: string) => Buffer.from(utf16le(content)).swap16()
const utf32 = (isLittle: boolean) => (content: string) => {
  const points = [0xfeff, ...Array.from(content, (character) => character.codePointAt(0) ?? 0)]
  const view = new DataView(new ArrayBuffer(points.length * 4))
  for (const [index, point] of points.entries()) view.setUint32(index * 4, point, isLittle)
  return Buffer.from(view.buffer)
}

/** Extensions whose kind asks of a file only that it is text. */
const textExtensions = Object.entries(defaultWhitelist)
  .filter(([, { checks }]) => checks.every((check) => check === "text" || check === "notPdf"))
  .map(([extension]) => (extension === "" ? "Makefile" : `a.${extension}`))

describe("a text", () => {
  it.effect("is kept under every extension of a text, and as UTF-8", () =>
    Effect.gen(function* () {
      assert.isAbove(textExtensions.length, 400)
      for (const name of textExtensions) {
        const inspected = yield* inspect(name, text("#!/bin/sh\nx = 'ü'\n"))
        assert(inspected._tag === "Passed", name)
        assert.strictEqual(inspected.charset, "utf-8")
        assert.isString(yield* flawOf(name, elf), name)
      }
    })
  )

  const beginnings =
    "MZ,intensity\n1,2\n|GIF89a,b\n|ID3,x\n|BM,BMI\n|%!PS\n|PK\x03\x04,b\n|Rar!,b|7z,b|OggS|RIFF,a|FLV,x|%PDF-1.4 is a version\n" +
    "|II*,a|MM,b|SQLite format 3,x|wOFF|fLaC|MThd|\x7fELF is a format|#!/bin/sh|<?xml is XML|BZh9|!<arch>\n|{\\rtf"
  for (const beginning of beginnings.split("|")) {
    it.effect(`may begin with ${JSON.stringify(beginning)}`, () =>
      Effect.gen(function* () {
        for (const piece of [1, 65_536])
          assert.isUndefined(yield* flawOf("a.csv", text(beginning), { piece }))
      })
    )
  }

  const encodings: ReadonlyArray<readonly [string, Uint8Array, string?]> = [
    ["UTF-8", text("Größe;€ 🙂\n"), "utf-8"],
    ["UTF-8 with a byte order mark", text("\ufeffGröße\n"), "utf-8"],
    ["ASCII", text("a,b\r\n"), "utf-8"],
    ["nothing", text(""), "utf-8"],
    ["cp1252", latin1("Gr\xf6\xdfe;Preis \x80\n")],
    ["one letter of Latin-1", latin1("\xe9")],
    ["Shift JIS", Buffer.from("93fa967b8cea2c610a", "hex")],
    ["KOI8-R", Buffer.from("f2d5d3d3cbc9ca0a", "hex")],
    ["GBK", Buffer.from("d6d0cec42c310a", "hex")],
    ["UTF-8 that is cut short", Buffer.from("e282", "hex")],
    ["UTF-16LE", utf16le("Größe 🙂\n")],
    ["UTF-16BE", utf16be("Größe 🙂\n")],
    ["UTF-32LE", utf32(true)("Größe 🙂\n")],
    ["UTF-32BE", utf32(false)("Größe 🙂\n")]
  ]
  for (const [what, content, charset] of encodings) {
    it.effect(`may be ${what}, however its bytes come`, () =>
      Effect.gen(function* () {
        for (const piece of [1, 2, 3, 65_536]) {
          const inspected = yield* inspect("a.csv", content, { piece })
          assert(inspected._tag === "Passed", `pieces of ${piece}`)
          assert.strictEqual(inspected.charset, charset as "utf-8" | undefined)
        }
      })
    )
  }

  it.effect("may have colours, form feeds, backspaces and separators", () =>
    Effect.gen(function* () {
      const contents = ["\x1b[31mred\x1b[0m", "a\fb\vc\b", "1\x012\x01", "a\x1fb\x1e\n", "end\x1a"]
      for (const content of contents) assert.isUndefined(yield* flawOf("a.log", text(content)))
    })
  )

  it.effect("may be rich text, without objects that open as programs do", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* flawOf("a.rtf", text("{\\rtf1 C:\\\\objects {\\b bold}}")))
      for (const piece of [1, 65_536])
        assert.strictEqual(
          yield* flawOf("a.rtf", text("{\\rtf1{\\object\\objemb{\\*\\objdata 0105}}}"), { piece }),
          "it has an object in it that opens as a program does"
        )
    })
  )

  it("is sent as nothing that a page loads as a program or a style", () => {
    const types = Object.values(defaultWhitelist).map(({ mediaType }) => mediaType)
    assert.isEmpty(types.filter((type) => /script$|ecma|css/.test(type) && type !== "application/postscript"))
  })

  const names =
    "Makefile README LICENSE Dockerfile d/Gemfile .gitignore d/.dockerignore .env .github/workflows/ci.yml " +
    "Dockerfile.prod README.de app.log.1 results-1.2 .eslintrc.json CMakeLists.txt a.TXT"
  for (const name of names.split(" "))
    it.effect(`may be called ${name}`, () => Effect.map(flawOf(name, text("a")), assert.isUndefined))
})

describe("what is no text", () => {
  const mismatch = "its content is not what its name says: it looks like"
  const binaries: ReadonlyArray<readonly [string, Uint8Array, string]> = [
    ["an ELF", elf, `${mismatch} elf`],
    ["a Windows program", latin1(`MZ\x90\0${"\0".repeat(124)}`), `${mismatch} exe`],
    ["a zip", zip([{ name: "a", content: text("a") }]), `${mismatch} zip`],
    ["a picture", png(), `${mismatch} png`],
    ["a small picture", gif, `${mismatch} gif`],
    ["a PDF of letters alone", pdf(), `${mismatch} pdf`],
    [
      "pickled objects",
      Buffer.from("80049514000000000000008c026f73948c0673797374656d94", "hex"),
      "it is not text: it has NUL bytes"
    ],
    ["UTF-16 without a byte order mark", utf16le("abc").subarray(2), "it is not text: it has NUL bytes"],
    [
      "half a unit of UTF-16",
      utf16le("abc").subarray(0, -1),
      "its byte order mark says UTF-16LE, which it is not"
    ],
    [
      "half a pair of UTF-16",
      Buffer.from("fffe3dd86100", "hex"),
      "its byte order mark says UTF-16LE, which it is not"
    ],
    [
      "sound that begins as UTF-16 does",
      Buffer.concat([Buffer.from("fffe9064", "hex"), Buffer.alloc(64)]),
      "its byte order mark says UTF-16LE, which it is not"
    ],
    [
      "no characters of UTF-32",
      Buffer.from("0000feff00110000", "hex"),
      "its byte order mark says UTF-32BE, which it is not"
    ],
    ["mostly controls", text("\x01\x02\x03a"), "it is not text: too much of it is control characters"],
    [
      "bytes as they come",
      Buffer.from(Array.from({ length: 2550 }, (_, index) => (index % 255) + 1)),
      "it is not text: too much of it is control characters"
    ]
  ]
  for (const [what, content, flaw] of binaries) {
    it.effect(`${what} is refused`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* flawOf("a.txt", content), flaw)
        for (const name of ["a", "a.py", "a.json"])
          assert.isString(yield* flawOf(name, content, { piece: 1 }))
      })
    )
  }

  it.effect("is found however late it comes", () =>
    Effect.gen(function* () {
      const late = Buffer.concat([Buffer.alloc(200_000, "text\n"), elf])
      assert.strictEqual(yield* flawOf("a.txt", late), "it is not text: it has NUL bytes")
    })
  )
})

describe("a name that is refused", () => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["a.pkl", "its extension .pkl is not allowed; save it as npz, parquet or json"],
    ["model.joblib", "its extension .joblib is not allowed; save it as npz, parquet or json"],
    ["a.exe", "its extension .exe is not allowed; keep the source instead of the program"],
    ["a.hta", "its extension .hta is not allowed; if it is text, call it .txt"],
    ["a.lnk", "its extension .lnk is not allowed; if it is text, call it .txt"],
    ["a.constructor", "its extension .constructor is not allowed; if it is text, call it .txt"],
    ["a.x y", "its extension is not allowed; if it is text, call it .txt"],
    [".bashrc.txt", "its name is not allowed: it is hidden"],
    [".hidden", "its name is not allowed: it is hidden"],
    [".git/config", "its name is not allowed: it is hidden"],
    [".ipynb_checkpoints/a.ipynb", "its name is not allowed: it is hidden"]
  ]
  for (const [name, flaw] of rows) {
    it.effect(`is ${name}, and the reason says what to do`, () =>
      Effect.map(flawOf(name, text("a")), (found) => assert.strictEqual(found, flaw))
    )
  }
})

describe("whatever text comes", () => {
  const characters = FastCheck.fullUnicode().filter((character) => !/[\p{Cc}\p{Cs}]/u.test(character))
  const texts = FastCheck.stringOf(FastCheck.oneof(characters, FastCheck.constantFrom("\n", "\t", ",")), {
    maxLength: 200
  })
  const encoders = FastCheck.constantFrom(text, utf16le, utf16be, utf32(true), utf32(false))
  const pieces = FastCheck.integer({ min: 1, max: 64 })
  const name = FastCheck.constantFrom(...textExtensions)

  it.effect.prop(
    "is kept, in every encoding of Unicode",
    [texts, encoders, pieces, name],
    ([content, encode, piece, name]) =>
      Effect.map(flawOf(name, encode(content), { piece }), assert.isUndefined)
  )

  const printable = FastCheck.integer({ min: 0x20, max: 0xff }).filter((value) => value !== 0x7f)
  it.effect.prop(
    "is kept in every encoding of single bytes",
    [FastCheck.array(printable, { maxLength: 300 }), pieces],
    ([bytes, piece]) => Effect.map(flawOf("a.csv", Uint8Array.from(bytes), { piece }), assert.isUndefined)
  )

  it.effect.prop(
    "is kept whatever it begins with, if the rest is text too",
    [
      FastCheck.constantFrom(
        "MZ",
        "GIF89a",
        "ID3",
        "BM",
        "%!PS-Adobe",
        "PK\x03\x04",
        "Rar!",
        "\x7fELF",
        "RIFF"
      ),
      texts
    ],
    ([beginning, content]) => Effect.map(flawOf("a.txt", text(beginning + content)), assert.isUndefined)
  )

  it.effect.prop("is refused with a NUL in it", [texts, texts], ([before, after]) =>
    Effect.map(flawOf("a.txt", text(`${before}\0${after}`)), assert.isString)
  )
})
