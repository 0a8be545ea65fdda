import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { EmbeddedHost, type HostOptions } from "@bulkhead/host"
import { Effect, Layer, Redacted } from "effect"
import { build } from "esbuild"
import { startHost } from "./RunningHost.js"

const source = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Built once: the tests of a worker share it. */
const program = Effect.runSync(
  Effect.cached(
    Effect.promise(async () => {
      const { outputFiles } = await build({
        entryPoints: [source("test/HostProcess.ts")],
        write: false,
        bundle: true,
        platform: "node",
        format: "esm",
        conditions: ["bulkhead-source"],
        banner: {
          js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)'
        },
        logLevel: "error"
      })
      return outputFiles.map(({ contents }) => contents)[0] ?? new Uint8Array()
    })
  )
)

/** The host as it is shipped, in a directory of its own: one bundle, the guest program beside it. */
export const bundled = Effect.acquireRelease(
  Effect.map(program, (host) => {
    const directory = mkdtempSync(join(tmpdir(), "host-bundle-"))
    chmodSync(directory, 0o755)
    writeFileSync(join(directory, "host.mjs"), host)
    const guest = `guest-${process.arch}`
    copyFileSync(source(`../guest/bin/${guest}`), join(directory, guest))
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** The host as a user that is not root, started by a test that is. */
export const unprivilegedWith = (options: Partial<HostOptions>) =>
  Layer.scoped(
    EmbeddedHost,
    Effect.gen(function* () {
      const { apiKey, isolation, url } = yield* startHost(yield* bundled, 65534, options)
      return {
        ...{ url, isolation, apiKey: Redacted.make(apiKey) },
        gpus: [],
        health: Effect.dieMessage("not asked"),
        sandboxes: Effect.dieMessage("not asked")
      }
    })
  )

export const unprivileged = unprivilegedWith({})
