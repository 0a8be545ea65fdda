import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { EmbeddedHost, type IsolationDescription } from "@bulkhead/host"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { build } from "esbuild"

const source = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** The host as it is shipped: one bundle, the guest program beside it. */
export const bundled = Effect.acquireRelease(
  Effect.promise(async () => {
    const directory = mkdtempSync(join(tmpdir(), "host-bundle-"))
    chmodSync(directory, 0o755)
    await build({
      entryPoints: [source("test/HostProcess.ts")],
      outfile: join(directory, "host.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      conditions: ["bulkhead-source"],
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url)'
      },
      logLevel: "error"
    })
    const guest = `guest-${process.arch}`
    copyFileSync(source(`../guest/bin/${guest}`), join(directory, guest))
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A host in a process of its own. */
export interface RunningHost {
  readonly child: ChildProcess
  readonly url: string
  readonly apiKey: string
  readonly isolation: IsolationDescription
}

/** Starts the host of a bundle, as another user where a uid is given. */
export const startHost = (directory: string, uid?: number): Effect.Effect<RunningHost, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<RunningHost, string>((resume) => {
      const child = spawn(process.execPath, [join(directory, "host.mjs")], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { E2B_API_KEY: "secret-in-the-environment" },
        ...(uid === undefined ? {} : { uid, gid: uid })
      })
      let said = ""
      child.stderr?.on("data", (bytes: Buffer) => {
        said += bytes.toString()
      })
      child.stdout?.once("data", (bytes: Buffer) =>
        resume(Effect.succeed({ child, ...JSON.parse(bytes.toString()) }))
      )
      child.once("exit", () => resume(Effect.fail(`the host ended: ${said}`)))
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

export const exited = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

export const connectionTo = ({ apiKey, url }: RunningHost) => ({ apiKey, apiUrl: url, sandboxUrl: url })

/** The host as a user that is not root, started by a test that is. */
export const unprivileged = Layer.scoped(
  EmbeddedHost,
  Effect.gen(function* () {
    const { apiKey, isolation, url } = yield* startHost(yield* bundled, 65534)
    return {
      ...{ url, isolation, apiKey: Redacted.make(apiKey) },
      sandboxes: Effect.dieMessage("not asked")
    }
  })
)
