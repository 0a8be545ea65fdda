import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import * as Files from "./ArtifactFixture.js"
import { flawOf } from "./Inspecting.js"

const { docx, tar, text, zip } = Files

type Packed = Readonly<Record<string, Uint8Array>>
type File = readonly [name: string, content: Uint8Array]

const encoded = (content: Uint8Array) => Buffer.from(content).toString("base64")

/** What Python's libraries make of each set of files, each as a record of archives by name. */
const packed = (sets: ReadonlyArray<ReadonlyArray<File>>) =>
  Effect.async<ReadonlyArray<Packed>>((resume) => {
    const program = fileURLToPath(new URL("pack.py", import.meta.url))
    const child = execFile("python3", [program], { maxBuffer: 2 ** 28 }, (error, output) => {
      if (error !== null) return resume(Effect.die(error))
      const lines = output.trimEnd().split("\n")
      const decode = (line: string): Packed =>
        Object.fromEntries(
          Object.entries(JSON.parse(line) as Record<string, string>).map(([name, content]) => [
            name,
            Buffer.from(content, "base64")
          ])
        )
      return resume(Effect.succeed(lines.map(decode)))
    })
    child.stdin?.end(
      sets
        .map((files) => `${JSON.stringify(files.map(([name, content]) => [name, encoded(content)]))}\n`)
        .join("")
    )
  })

const project: ReadonlyArray<File> = [
  ["project/README", text("Read me\n")],
  ["project/.gitignore", text("node_modules\n")],
  ["project/Makefile", text("all:\n\ttrue\n")],
  ["project/src/main.py", text("#!/usr/bin/env python3\nprint('MZ')\n")],
  ["project/data/table.csv", text("MZ,PK\n".repeat(20_000))],
  ["project/data/raw.dat", Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251))],
  ["project/data/empty.png", text("")],
  ["project/ünï/图.md", text("# 图\n")],
  [`project/${"deep/".repeat(12)}x.txt`, text("deep")]
]

const names = FastCheck.array(FastCheck.stringMatching(/^[a-zé ]{1,12}$/), {
  minLength: 1,
  maxLength: 5
}).map((parts) => parts.map((part, index) => `${index}${part.trim()}`).join("/"))
const contents = FastCheck.oneof(
  FastCheck.uint8Array({ maxLength: 2000 }),
  FastCheck.string({ maxLength: 2000 }).map((content) => Buffer.from(content.repeat(20)))
)
// What is binary begins with a byte that nothing known begins with.
const trees = FastCheck.uniqueArray(FastCheck.tuple(names, contents), {
  maxLength: 8,
  selector: ([name]) => name.normalize("NFC")
}).map((files) =>
  files.map(
    ([name, content], index): File => [`${index}-${name}.dat`, Buffer.concat([Buffer.from([9]), content])]
  )
)

const cuts = ["deflated.zip", "piped.zip", "wide.zip", "gnu.tar", "a.tar.gz", "a.csv.bz2", "a.csv.xz", "a.db"]

describe("what real programs pack", () => {
  it.effect(
    "is kept, whatever is in it, and refused when its end is cut",
    () =>
      Effect.gen(function* () {
        const sets = [project, [], ...FastCheck.sample(trees, 10)]
        const results = yield* packed(sets)
        for (const [index, archives] of results.entries()) {
          for (const [name, content] of Object.entries(archives)) {
            const piece = index === 0 ? 65_536 : 1009
            assert.isUndefined(yield* flawOf(name, content, { piece }), `${name} of ${index}`)
          }
        }
        for (const name of cuts) {
          const content = results[0]?.[name] ?? Buffer.alloc(0)
          for (const cut of [1, 2, 5, Math.floor(content.length / 3)])
            assert.isString(yield* flawOf(name, content.subarray(0, -cut)), `${name} without ${cut}`)
        }
      }),
    60_000
  )
})

const elf = Buffer.from("\x7fELF\x02\x01\x01\0".padEnd(128, "\0"), "latin1")
const windows = Buffer.from(`MZ\x90\0${"\0".repeat(124)}`, "latin1")
const pickle = Buffer.from("\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os.", "latin1")
const zeros = (megabytes: number) => Buffer.alloc(megabytes * 1_048_576)
const much = zeros(34)
const gzipBomb = gzipSync(much, { level: 1 })
const zipOf = (name: string, content: Uint8Array) => zip([{ name, content }])
const tarOf = (name: string, content: Uint8Array) => tar([{ name, content }])
const link = (name: string, target: string) => ({ name, content: text(target), mode: 0xa1ff })
const tarLink = (name: string, target: string, type = "2") => ({ name, target, type })
const nested = (times: number): Uint8Array =>
  times === 0 ? text("x") : zipOf(times === 1 ? "x.txt" : "x.zip", nested(times - 1))
/** A whole zip that is changed at a place that a text is found at. */
const patched = (content: Buffer, signature: string, offset: number, bytes: ReadonlyArray<number>) => {
  const changed = Buffer.from(content)
  changed.set(bytes, content.indexOf(signature, 0, "latin1") + offset)
  return changed
}
const plain = zipOf("a.csv", text("a,b\n"))
const bomb = "it unpacks to more than 32 MB and 100 times its size"

describe("archives that are refused", () => {
  const rows: ReadonlyArray<readonly [string, string, Uint8Array, string | RegExp]> = [
    ["a zip bomb", "a.zip", zipOf("a.dat", much), bomb],
    ["a gzip bomb", "a.gz", gzipBomb, bomb],
    ["a bomb in a bomb", "a.gz", gzipSync(gzipBomb), /32 MB and 100 times/],
    [
      "a bomb in many parts",
      "a.zip",
      zip(Array.from({ length: 40 }, (_, index) => ({ name: `${index}`, content: zeros(1) }))),
      bomb
    ],
    [
      "an array that is a bomb",
      "a.npz",
      zipOf("a.npy", Files.npy("'<f8'", "(4400000,)", much.subarray(0, 35_200_000))),
      bomb
    ],
    ["more archives in one another than anyone needs", "a.zip", nested(8), /packed more than 6 times/],
    ["a program", "a.zip", zipOf("bin/run", elf), "it has bin/run in it: it is a program"],
    [
      "a Windows program of another name",
      "a.zip",
      zipOf("a.dat", windows),
      "it has a.dat in it: it is a program"
    ],
    ["a library", "a.tar", tarOf("a.so.1", elf), "it has a.so.1 in it: it is a program"],
    ["what its name says only runs", "a.zip", zipOf("a.lnk", text("x")), "it has a.lnk in it: it only runs"],
    [
      "a program in an archive in an archive",
      "a.tar",
      tarOf("b.zip", zipOf("a", elf)),
      /it has b.zip in it: it has a in it/
    ],
    ["a program that is compressed", "a.gz", gzipSync(elf), "it has a in it: it is a program"],
    [
      "an archive of another name with a program",
      "a.zip",
      zipOf("a.dat", zipOf("b", elf)),
      /it is a program/
    ],
    ["a pickle", "a.zip", zipOf("model.pkl", pickle), "it has model.pkl in it: it holds pickled objects"],
    ["a pickle of another name", "a.zip", zipOf("data/data", pickle), /pickled objects/],
    [
      "a pickle in an array",
      "a.npz",
      zipOf("a.npy", Files.npy("'|O'", "(1,)", text("cos"))),
      /pickled objects/
    ],
    ["no array among arrays", "a.npz", zipOf("a.txt", text("x")), "it has a.txt in it: it is no array"],
    [
      "an image that is none",
      "a.zip",
      zipOf("a.png", text("no image")),
      /its content is not what its name says/
    ],
    [
      "a document with macros in it",
      "a.zip",
      zipOf("a.docx", docx({ name: "word/vbaProject.bin", content: text("x") })),
      /macros/
    ],
    [
      "one that is made for macros",
      "a.zip",
      zipOf("a.xlsm", text("x")),
      "it has a.xlsm in it: it may have macros in it"
    ],
    ["a name that climbs", "a.zip", zipOf("../a.txt", text("x")), /hostile name/],
    ["one that climbs later", "a.tar", tarOf("a/../../b.txt", text("x")), /hostile name/],
    ["one that is absolute", "a.tar", tarOf("/etc/passwd.txt", text("x")), /hostile name .* absolute/],
    ["one of a Windows drive", "a.zip", zipOf("C:/a.txt", text("x")), /hostile name .* absolute/],
    ["one with a backslash", "a.zip", zipOf("..\\a.txt", text("x")), /hostile name .* backslash/],
    ["one with a NUL", "a.zip", zipOf("a.txt\0.exe", text("x")), /hostile name .* control/],
    ["one that turns around", "a.zip", zipOf("a\u202etxt.exe.dat", text("x")), /hostile name/],
    ["a link that climbs", "a.zip", zip([link("a/b", "../../etc/passwd")]), /leads out of it/],
    ["a link that is absolute", "a.tar", tar([tarLink("a", "/etc/passwd")]), /leads out of it/],
    [
      "a link through a link",
      "a.tar",
      tar([tarLink("s/p", ".."), tarLink("s/q", "p/..")]),
      /leads out of it/
    ],
    [
      "a file behind a link",
      "a.tar",
      tar([tarLink("a", "."), { name: "a/b.txt", content: text("x") }]),
      /behind a link/
    ],
    [
      "a file behind a later link",
      "a.zip",
      zip([{ name: "a/b.txt", content: text("x") }, link("a", "c")]),
      /behind a link/
    ],
    [
      "a file where a link was",
      "a.tar",
      tar([tarLink("a", "b"), { name: "a", content: text("x") }]),
      /two entries of one name/
    ],
    [
      "a hard link to what is not in it",
      "a.tar",
      tar([tarLink("a", "etc/passwd", "1")]),
      /to no file before it/
    ],
    ["a device", "a.tar", tar([{ name: "a", type: "3" }]), /device/],
    ["a pipe in a zip", "a.zip", zip([{ name: "a", content: text(""), mode: 0x1000 }]), /device/],
    ["a file with holes", "a.tar", tar([{ name: "a", type: "S" }]), /holes/],
    [
      "two of one name",
      "a.zip",
      zip([
        { name: "a", content: text("1") },
        { name: "a", content: text("2") }
      ]),
      "it has two entries of one name"
    ],
    [
      "what is encrypted",
      "a.zip",
      zip([{ name: "a", content: text("x"), says: { flags: 1 } }]),
      "it is encrypted"
    ],
    ["what is before it", "a.zip", Buffer.concat([text("#!/bin/sh\n"), plain]), /not what its name says/],
    ["what is behind it", "a.zip", Buffer.concat([plain, text("x")]), /data after its end|is not a whole/],
    [
      "another directory than its content",
      "a.zip",
      patched(plain, "PK\x01\x02", 46, [0x62]),
      /directory does not say/
    ],
    [
      "another checksum than its content's",
      "a.zip",
      patched(plain, "PK\x03\x04", 14, [1, 2, 3, 4]),
      /not a whole zip/
    ],
    [
      "another number of entries",
      "a.zip",
      patched(plain, "PK\x05\x06", 8, [2, 0, 2, 0]),
      /directory does not say/
    ],
    [
      "another place of its directory",
      "a.zip",
      patched(plain, "PK\x05\x06", 16, [0]),
      /directory does not say/
    ],
    [
      "sizes that are said to be elsewhere",
      "a.zip",
      patched(plain, "PK\x03\x04", 18, [255, 255, 255, 255, 255, 255, 255, 255]),
      /not a whole zip|cut short/
    ],
    [
      "an entry that no directory names",
      "a.zip",
      Buffer.concat([zipOf("b", text("x")).subarray(0, 34), plain]),
      /directory does not say/
    ],
    ["a directory with a content", "a.zip", zipOf("a/", text("x")), /a directory with content/],
    [
      "another method",
      "a.zip",
      patched(patched(plain, "PK\x03\x04", 8, [12]), "PK\x01\x02", 10, [12]),
      /cannot be looked into/
    ],
    [
      "another header in a tar",
      "a.tar",
      patched(tarOf("a", text("x")), "ustar", -10, [1]),
      /not what its name says/
    ],
    ["a half tar", "a.tar", tarOf("a", text("x")).subarray(0, 1024), "it is cut short"],
    [
      "what is behind a tar",
      "a.tar",
      Buffer.concat([tarOf("a", text("x")), Buffer.alloc(512, 1)]),
      "data after its end"
    ],
    ["what is behind a gzip file", "a.gz", Buffer.concat([gzipSync("x"), text("x")]), /broken|cut short/],
    [
      "what is behind an xz file",
      "a.xz",
      Buffer.concat([Files.xzed, text("behind this one")]),
      "data after its end"
    ],
    [
      "a document in an archive format that has none of its parts",
      "a.odt",
      zipOf("content.xml", text("<x/>")),
      /not what its name says/
    ]
  ]
  for (const [what, name, content, flaw] of rows) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const found = (yield* flawOf(name, content)) ?? "nothing"
        if (typeof flaw === "string") assert.include(found, flaw)
        else assert.match(found, flaw)
        if (content.length < 5000) assert.isString(yield* flawOf(name, content, { piece: 1 }))
      })
    )
  }
})

describe("archives that are kept", () => {
  const rows: ReadonlyArray<readonly [string, string, Uint8Array]> = [
    [
      "links within",
      "a.tar",
      tar([{ name: "lib/x.txt", content: text("x") }, tarLink("bin/x", "../lib/x.txt"), tarLink("y", "lib")])
    ],
    [
      "links within a zip",
      "a.zip",
      zip([
        link("node_modules/.bin/x.png", "../x/cli.js"),
        { name: "node_modules/x/cli.js", content: text("#!") }
      ])
    ],
    [
      "a leading dot",
      "a.tar",
      tar([
        { name: "./", type: "5" },
        { name: "./a.csv", content: text("1") }
      ])
    ],
    ["six in one another", "a.zip", nested(6)],
    ["a comment", "a.zip", zip([{ name: "a.csv", content: text("1") }], "made by hand")],
    [
      "a chart with its workbook",
      "a.docx",
      docx({ name: "word/embeddings/Book1.xlsx", content: zipOf("xl/workbook.xml", text("<x/>")) })
    ],
    [
      "fonts, settings, custom XML and a thumbnail",
      "a.docx",
      docx(
        { name: "word/fonts/font1.odttf", content: Buffer.alloc(100, 3) },
        { name: "word/printerSettings1.bin", content: Buffer.alloc(100, 4) },
        { name: "customXml/item1.xml", content: text("<object onset='1'/>") },
        { name: "docProps/thumbnail.jpeg", content: Files.jpeg }
      )
    ],
    [
      "a compressed array of fields",
      "a.npz",
      zipOf(
        "a.npy",
        Files.npy("[('O', '<f8'), ('b', '|S3', (2,)), ('c', [('d', '<i2')])]", "(2,)", Buffer.alloc(32))
      )
    ],
    ["much that says little", "a.gz", gzipSync(zeros(30))]
  ]
  for (const [what, name, content] of rows) {
    it.effect(what, () => Effect.map(flawOf(name, content), (flaw) => assert.isUndefined(flaw)))
  }
})

describe("an object in a document", () => {
  const compound = (stream: string) =>
    Buffer.concat([
      Buffer.from("d0cf11e0a1b11ae1".padEnd(56, "0").concat("feff0900"), "hex"),
      Buffer.alloc(480),
      Buffer.from(`${stream}\0`, "utf16le"),
      Buffer.alloc(512)
    ])
  const withObject = (stream: string) =>
    docx({ name: "word/embeddings/oleObject1.bin", content: compound(stream) })

  it.effect("is kept when it is a formula or a table", () =>
    Effect.map(flawOf("a.docx", withObject("Equation Native")), (flaw) => assert.isUndefined(flaw))
  )
  for (const stream of ["\x01Ole10Native", "_VBA_PROJECT"]) {
    it.effect(`is refused when it has ${stream.slice(1)}`, () =>
      Effect.gen(function* () {
        for (const piece of [65_536, 1])
          assert.isString(yield* flawOf("a.docx", withObject(stream), { piece }))
      })
    )
  }
})

describe("whatever an archive is changed to", () => {
  const archives = Object.entries(Files.whole).filter(([name]) =>
    /\.(?:zip|tar|gz|tgz|bz2|xz|zst|npz|docx|odt)$/.test(name)
  )
  const mutations = FastCheck.array(FastCheck.tuple(FastCheck.nat(), FastCheck.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 4
  })

  it.effect.prop(
    "it is judged, and the same however it is cut",
    [FastCheck.constantFrom(...archives), mutations, FastCheck.integer({ min: 1, max: 64 })],
    ([[name, content], changes, piece]) =>
      Effect.gen(function* () {
        const changed = Buffer.from(content)
        for (const [at, value] of changes) changed[at % changed.length] = value
        const flaw = yield* flawOf(name, changed)
        assert.strictEqual(typeof (yield* flawOf(name, changed, { piece })), typeof flaw)
      }),
    { fastCheck: { numRuns: 200 } }
  )
})
