import type { Metadata } from "./FileMetadata.js"

/** A file, directory or link in a sandbox. */
export interface GuestEntry {
  readonly name: string
  readonly kind: "file" | "directory" | "symlink" | "other"
  readonly path: string
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly modifiedAt: number
  readonly symlinkTarget?: string
  readonly metadata: Metadata
}

const FIELDS = 9
const kinds = { f: "file", d: "directory", l: "symlink" } as const

/** Reads the agent's account of entries: nine fields for each, each ended by NUL. */
export const parse = (text: string, metadataOf: (path: string) => Metadata): ReadonlyArray<GuestEntry> => {
  const fields = text.split("\0")
  const entries: Array<GuestEntry> = []
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [name = "", kind = "", path = "", size, mode, uid, gid, modifiedAt, target = ""] = fields.slice(
      at,
      at + FIELDS
    )
    entries.push({
      name,
      kind: kinds[kind as keyof typeof kinds] ?? "other",
      path,
      size: Number(size),
      mode: Number(mode),
      uid: Number(uid),
      gid: Number(gid),
      modifiedAt: Number(modifiedAt),
      ...(target === "" ? {} : { symlinkTarget: target }),
      metadata: metadataOf(path)
    })
  }
  return entries
}
