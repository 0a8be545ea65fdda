import { flawOfPath } from "@bulkhead/domain"
import { type ArtifactKind, defaultWhitelist, type Whitelist } from "./ArtifactKinds.js"

/** In lower case; empty: it has none. */
export const extensionOf = (name: string): string => {
  const at = name.lastIndexOf(".")
  return at < 0 || name.includes("/", at) ? "" : name.slice(at + 1).toLowerCase()
}

const kindOf = (name: string, whitelist: Whitelist): ArtifactKind | undefined =>
  Object.hasOwn(whitelist, extensionOf(name)) ? whitelist[extensionOf(name)] : undefined

/** What an artifact of this name is served as; always as an attachment that no browser may take for something else. */
export const mediaTypeOf = (name: string, whitelist = defaultWhitelist): string =>
  kindOf(name, whitelist)?.mediaType ?? "application/octet-stream"

/** The kind that a name promises, or what is wrong with the name. */
export const judgeName = (name: string, whitelist = defaultWhitelist): ArtifactKind | string => {
  const flaw = flawOfPath(name)
  if (flaw !== undefined) return `its name is not allowed: ${flaw}`
  if (name.includes("\\")) return "its name is not allowed: it has a backslash"
  if (name.split("/").some((part) => part.startsWith("."))) return "its name is not allowed: it is hidden"
  const kind = kindOf(name, whitelist)
  if (kind !== undefined) return { ...kind, name, ...(whitelist === defaultWhitelist ? {} : { whitelist }) }
  return extensionOf(name) === "" ? "it has no extension" : "its extension is not allowed"
}
