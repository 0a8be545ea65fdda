import type { Inside } from "./Inside.js"
import { byHead, type Inspector, latin1 } from "./Inspector.js"

/** How many first bytes tell what a file is that has no name to go by. A tar's magic word ends here. */
const headBytes = 265

/** What a file must not begin with that the list does not know. */
const refused: Readonly<Record<string, ReadonlyArray<string>>> = {
  "it is a program": [
    "\x7fELF",
    ...["\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe"],
    ...["\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf", "\xca\xfe\xd0\x0d"],
    ...["\0asm", "dex\n", "\x1bLua", "BC\xc0\xde", "L\0\0\0\x01\x14\x02\0"],
    ...["!<arch>\n", "\xed\xab\xee\xdb", "MSCF\0\0\0\0", "ITSF\x03\0\0\0", "xar!\0"]
  ],
  "it holds serialized objects": ["\xac\xed\0\x05"],
  "it is an archive that cannot be looked into: use zip or tar": ["7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07"]
}

/** What is looked into, whatever its name is. */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  zip: ["PK\x03\x04", "PK\x05\x06"],
  gz: ["\x1f\x8b\x08"],
  bz2: Array.from("123456789", (digit) => `BZh${digit}1AY&SY`),
  xz: ["\xfd7zXZ\0"],
  zst: ["\x28\xb5\x2f\xfd"],
  npy: ["\x93NUMPY"]
}

/** What has a beginning that this one has. */
const found = (table: Readonly<Record<string, ReadonlyArray<string>>>, head: string) =>
  Object.entries(table).find(([, magics]) => magics.some((magic) => head.startsWith(magic)))?.[0]

/** A text may begin with the two letters, but has no NUL. */
const isWindowsProgram = (head: string) => head.startsWith("MZ") && head.slice(0, 64).includes("\0")

const pickleProtocols = new Set(["\x02", "\x03", "\x04", "\x05"])
/** What is pickled begins with one of these instructions. */
const pickleBeginnings = new Set("\x95]})(cXK\x8cGJMNI\x88\x89\x8a\x8f\x96UTBC")
const isPickle = (head: string) =>
  head[0] === "\x80" && pickleProtocols.has(head[1] ?? "") && pickleBeginnings.has(head[2] ?? "")

const flawOf = (head: string) => {
  if (isWindowsProgram(head)) return "it is a program"
  return isPickle(head) ? "it holds pickled objects" : found(refused, head)
}

const kindOf = (head: string) => (head.startsWith("ustar", 257) ? "tar" : found(known, head))

const compoundFile = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

/** As a compound file's directory writes them: in UTF-16, zeros behind. */
const utf16 = (name: string) => Buffer.from(name, "utf16le").toString("latin1")
const hostileStreams: ReadonlyArray<readonly [string, string]> = [
  [utf16("_VBA_PROJECT\0"), "it has macros in it"],
  [utf16("\x01Ole10Native\0"), "it has a file in it that opens as a program does"]
]

/** What of this must not be in a file, whatever its pieces are. */
const withoutTexts = (texts: ReadonlyArray<readonly [string, string]>): Inspector => {
  const most = Math.max(...texts.map(([text]) => text.length))
  let before = ""
  return {
    push: (bytes) => {
      const text = before + latin1(bytes)
      before = text.slice(1 - most)
      return texts.find(([hostile]) => text.includes(hostile))?.[1]
    },
    end: () => undefined
  }
}

const passed: Inspector = { push: () => undefined, end: () => undefined }
const failed = (flaw: string): Inspector => ({ push: () => flaw, end: () => flaw })

const inspectorFor = (inside: Inside, head: string): Inspector => {
  const flaw = flawOf(head)
  if (flaw !== undefined) return failed(flaw)
  if (head.startsWith(compoundFile)) {
    // Its byte order and the size of its sectors: without them nobody can tell what is in it.
    const isWhole = head.startsWith("\xfe\xff", 28) && ["\x09", "\x0c"].includes(head[30] ?? "")
    return isWhole ? withoutTexts(hostileStreams) : failed("it is an object that cannot be looked into")
  }
  const kind = kindOf(head)
  const inner =
    kind === undefined ? passed : inside.inspectorOf({ ...inside, name: `${inside.name}.${kind}` })
  return typeof inner === "string" ? failed(inner) : inner
}

/** Any data that is no program and no pickle. What is known as an archive is looked into. */
export const anything = (inside: Inside): Inspector =>
  byHead(headBytes, (head) => inspectorFor(inside, latin1(head.subarray(0, headBytes))))
