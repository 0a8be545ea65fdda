import type { GuestEntry } from "../Guest/GuestEntry.js"

const types: Record<GuestEntry["kind"], string> = {
  file: "FILE_TYPE_FILE",
  directory: "FILE_TYPE_DIRECTORY",
  symlink: "FILE_TYPE_SYMLINK",
  other: "FILE_TYPE_UNSPECIFIED"
}

/** What Go's fs.FileMode writes before the rights: "-" if it is nothing. */
const letters: Record<GuestEntry["kind"], string> = { file: "", directory: "d", symlink: "L", other: "?" }
const marks = [
  [0o4000, "u"],
  [0o2000, "g"],
  [0o1000, "t"]
] as const

const permissions = ({ kind, mode, symlinkTarget }: GuestEntry) => {
  const letter = symlinkTarget === undefined ? letters[kind] : letters.symlink
  const marked = marks.filter(([bit]) => (mode & bit) !== 0).map(([, mark]) => mark)
  const bits = [...(mode & 0o777).toString(2).padStart(9, "0")]
  const rights = bits.map((bit, index) => (bit === "1" ? "rwx".charAt(index % 3) : "-"))
  return (letter + marked.join("") || "-") + rights.join("")
}

const owner = (id: number) => (id === 0 ? "root" : id === 1000 ? "user" : String(id))

/** A file, directory or link as envd's `EntryInfo` message. */
export const make = (entry: GuestEntry) => ({
  name: entry.name,
  type: types[entry.kind],
  path: entry.path,
  size: String(entry.size),
  mode: entry.mode & 0o777,
  permissions: permissions(entry),
  owner: owner(entry.uid),
  group: owner(entry.gid),
  modifiedTime: new Date(entry.modifiedAt * 1000).toISOString(),
  ...(entry.symlinkTarget === undefined ? {} : { symlinkTarget: entry.symlinkTarget }),
  ...(Object.keys(entry.metadata).length === 0 ? {} : { metadata: entry.metadata })
})
