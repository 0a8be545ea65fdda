import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { imageManifestPath } from "@bulkhead/domain"
import { E2BConfig } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { Duration, Effect, Layer } from "effect"

const over = (host: ReturnType<typeof EmbeddedHost.layer>) =>
  Layer.unwrapEffect(
    Effect.map(EmbeddedHost, ({ apiKey, url }) => E2BConfig.layer({ apiKey, apiUrl: url, sandboxUrl: url }))
  ).pipe(Layer.provideMerge(host))

/** The real SDK, pointed at a real embedded host over HTTP. */
export const layer = over(EmbeddedHost.layer())

/** A template of `layerWithTemplate`, and a file that only its sandboxes have. */
export const template = { name: "data", file: imageManifestPath }

const image = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "image-"))
    chmodSync(directory, 0o755)
    const manifest = join(directory, "root", template.file)
    mkdirSync(dirname(manifest), { recursive: true })
    writeFileSync(manifest, '{"format":1}')
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** The same with a template beside the usual one. */
export const layerWithTemplate = Layer.unwrapScoped(
  Effect.map(image, (directory) => over(EmbeddedHost.layer({ images: { [template.name]: directory } })))
)

export const options = { metadata: { executionId: "exec_test" }, lifetime: Duration.seconds(60) }
