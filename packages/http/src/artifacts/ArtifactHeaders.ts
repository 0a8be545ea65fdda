import type { Artifact, ExecutionId } from "@bulkhead/domain"

/** For clients without RFC 6266: no character that some of them read differently, like escapes and percent signs. */
const plainName = (name: string) => name.replaceAll(/[^\x20-\x7e]|["\\%]/gu, "_")

const encodedName = (name: string) =>
  encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const dispositionOf = (path: string) => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  return `attachment; filename="${plainName(name)}"; filename*=UTF-8''${encodedName(name)}`
}

/** The SHA-256 of the whole file. */
export const etagOf = ({ sha256 }: Artifact) => `"${sha256}"`

/** No origin, no scripts, nothing fetched or sent, and no page that shows it in a frame. */
const policy = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Whatever a program wrote, no browser may run it, guess another type for it, or give it to another site's page. */
const harmless = {
  "x-content-type-options": "nosniff",
  "content-security-policy": policy,
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cache-control": "private, no-store"
}

export const headersOf = (artifact: Artifact) => ({
  ...harmless,
  "content-disposition": dispositionOf(artifact.name),
  "accept-ranges": "bytes",
  etag: etagOf(artifact)
})

/** For who has the file already. */
export const unchangedHeaders = (artifact: Artifact) => ({
  "cache-control": harmless["cache-control"],
  etag: etagOf(artifact)
})

/** Of all files of an execution together. */
export const zipHeaders = (executionId: ExecutionId) => ({
  ...harmless,
  "content-disposition": dispositionOf(`${executionId}.zip`)
})
