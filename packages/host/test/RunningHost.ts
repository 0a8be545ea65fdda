import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import type { HostOptions, IsolationDescription } from "@bulkhead/host"
import { Effect, type Scope } from "effect"

/** A host in a process of its own. */
export interface RunningHost {
  readonly child: ChildProcess
  readonly url: string
  readonly apiKey: string
  readonly isolation: IsolationDescription
}

/** Starts the host of a bundle, as another user where a uid is given. */
export const startHost = (
  directory: string,
  uid?: number,
  options: Partial<HostOptions> = {}
): Effect.Effect<RunningHost, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<RunningHost, string>((resume) => {
      const child = spawn(process.execPath, [join(directory, "host.mjs"), JSON.stringify(options)], {
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
