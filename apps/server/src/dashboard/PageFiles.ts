import { fileURLToPath } from "node:url"
import { FileSystem, HttpServerResponse } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect } from "effect"

/** Nothing but the page's own files and what this server sends; no code and no style but in files. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

/** Of everything beneath `/dashboard` but artifacts, which have their own. */
export const harmless = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

const mediaTypes = {
  "index.html": "text/html; charset=utf-8",
  "dashboard.js": "text/javascript; charset=utf-8",
  "dashboard.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml"
} as const
export type PageFile = keyof typeof mediaTypes

/** Beside the bundled server, in a folder of its own. */
const pathOf = (file: PageFile) => fileURLToPath(new URL(`./page/${file}`, import.meta.url))

/** A file of the page, read when it is asked for first. */
export const make = (file: PageFile) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((files) => files.readFile(pathOf(file))),
    Effect.map((content) =>
      HttpServerResponse.uint8Array(content, {
        contentType: mediaTypes[file],
        // Another version of the server has other files.
        headers: { ...harmless, "cache-control": "no-cache" }
      })
    ),
    Effect.provide(NodeFileSystem.layer),
    Effect.cached
  )
