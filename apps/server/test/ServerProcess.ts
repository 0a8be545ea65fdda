import { type ChildProcess, execFile, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Context, Deferred, Effect, Layer } from "effect"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const entry = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))

export const adminToken = "the-admin-token-of-the-test"

/** Nothing of the test's own environment but what a program needs to be found. */
const environment = (settings: Readonly<Record<string, string>>) => ({
  PATH: process.env.PATH ?? "",
  HOME: process.env.HOME ?? "/",
  PORT: "0",
  ADMIN_API_TOKEN: adminToken,
  SANDBOX_BACKEND: "embedded",
  ...settings
})

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A server in a process of its own. */
export class ServerProcess extends Context.Tag("test/ServerProcess")<
  ServerProcess,
  {
    readonly url: string
    readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
    readonly ended: Effect.Effect<Ended>
  }
>() {}

const collect = (child: ChildProcess) => {
  const output = { stdout: "", stderr: "" }
  child.stdout?.on("data", (chunk) => {
    output.stdout += chunk
  })
  child.stderr?.on("data", (chunk) => {
    output.stderr += chunk
  })
  return output
}

const started = (settings: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Ended>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [entry], { env: environment(settings), stdio: ["ignore", "pipe", "pipe"] })
      ),
      (child) =>
        Effect.zipRight(
          Effect.sync(() => child.kill("SIGKILL")),
          Deferred.await(ended)
        )
    )
    const output = collect(child)
    child.on("close", (code, signal) =>
      Deferred.unsafeDone(ended, Effect.succeed({ code, signal, ...output }))
    )
    return { child, ended: Deferred.await(ended), output }
  })

const listening = ({ child, ended, output }: Effect.Effect.Success<ReturnType<typeof started>>) =>
  Effect.async<string>((resume) => {
    const look = () => {
      const url = /listening on (\S+)\n/.exec(output.stdout)?.[1]
      if (url !== undefined) resume(Effect.succeed(url))
    }
    child.stdout?.on("data", look)
    look()
  }).pipe(
    Effect.raceFirst(
      Effect.flatMap(ended, ({ stderr }) => Effect.dieMessage(`the server did not start: ${stderr}`))
    )
  )

/** The bundle that the tests run, made from the sources as they are. */
const bundled = Effect.async<void>((resume) => {
  execFile(process.execPath, ["scripts/bundle.mjs"], { cwd: root }, (error) =>
    resume(error === null ? Effect.void : Effect.die(error))
  )
})

/** Starts a server and waits until it listens; kills it when the scope closes. */
export const start = (settings: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    yield* bundled
    const server = yield* started(settings)
    const url = yield* listening(server)
    return ServerProcess.of({
      url,
      kill: (signal) => Effect.sync(() => server.child.kill(signal)),
      ended: server.ended
    })
  })

export const layer = (settings: Readonly<Record<string, string>> = {}) =>
  Layer.scoped(ServerProcess, start(settings))

/** Starts a server that is not meant to start, and waits for its end. */
export const refused = (settings: Readonly<Record<string, string>>) =>
  Effect.scoped(Effect.flatMap(Effect.zipRight(bundled, started(settings)), ({ ended }) => ended))
