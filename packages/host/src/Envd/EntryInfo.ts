import type { GuestEntry } from "../Guest/GuestEntry.js"

const types: Record<GuestEntry["kind"], string> = {
  file: "FILE_TYPE_FILE",
  directory: "FILE_TYPE_DIRECTORY",
  symlink: "FILE_TYPE_SYMLINK",
  other: "FILE_TYPE_UNSPECIFIED"
}

/** The first letter of the permissions, as Go's fs.FileMode writes it. */
const letters: Record<GuestEntry["kind"], string> = { file: "-", directory: "d", symlink: "L", other: "?" }

const permissions = ({ kind, mode, symlinkTarget }: GuestEntry) => {
  const bits = [...(mode & 0o777).toString(2).padStart(9, "0")]
  const rights = bits.map((bit, index) => (bit === "1" ? "rwx".charAt(index % 3) : "-"))
  return (symlinkTarget === undefined ? letters[kind] : letters.symlink) + rights.join("")
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
