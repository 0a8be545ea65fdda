import { type ChildProcess, execFile, spawn } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Context, Deferred, Effect, Layer } from "effect"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const entry = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))

export const adminToken = "the-admin-token-of-the-test"

/** Of the test's own environment only what a program needs to be found. A pool's idle sandboxes would look like leaks. */
const environment = (settings: Readonly<Record<string, string>>) => ({
  PATH: process.env.PATH ?? "",
  HOME: process.env.HOME ?? "/",
  PORT: "0",
  ADMIN_API_TOKEN: adminToken,
  SANDBOX_BACKEND: "embedded",
  SANDBOX_POOL_MAX: "0",
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

/** A directory that is gone with the scope. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "bulkhead-test-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const withDataDirectory = (settings: Readonly<Record<string, string>>) =>
  settings.SANDBOX_DATA_DIR === undefined
    ? Effect.map(temporaryDirectory, (directory) => ({ SANDBOX_DATA_DIR: directory, ...settings }))
    : Effect.succeed(settings)

const started = (settings: Readonly<Record<string, string>>, bundle = entry) =>
  Effect.gen(function* () {
    const env = environment(yield* withDataDirectory(settings))
    const ended = yield* Deferred.make<Ended>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [bundle], { env, stdio: ["ignore", "pipe", "pipe"] })),
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
      const url = /listening on (\S+)\n/.exec(output.stderr)?.[1]
      if (url !== undefined) resume(Effect.succeed(url))
    }
    child.stderr?.on("data", look)
    look()
  }).pipe(
    Effect.raceFirst(
      Effect.flatMap(ended, ({ stderr }) => Effect.dieMessage(`the server did not start: ${stderr}`))
    )
  )

/** The bundle that the tests run, made from the sources as they are when the first test asks for it. */
export const bundled = Effect.runSync(
  Effect.cached(
    Effect.async<void>((resume) => {
      execFile(process.execPath, ["scripts/bundle.mjs"], { cwd: root }, (error) =>
        resume(error === null ? Effect.void : Effect.die(error))
      )
    })
  )
)

/** A copy of the bundle that is there, in a directory beside it that is gone with the scope. */
export const bundleCopy = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(dirname(entry), "copy-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
).pipe(
  Effect.map((directory) => {
    const guest = join(directory, `guest-${process.arch}`)
    const server = join(directory, "bulkhead.js")
    cpSync(join(dirname(entry), `guest-${process.arch}`), guest)
    for (const name of ["bulkhead.js", "bulkhead.cjs", "bulkhead.cjs.compiled"])
      cpSync(join(dirname(entry), name), join(directory, name))
    return { guest, server }
  })
)

/** Starts a server of the bundle that is there, without waiting for it; kills it when the scope closes. */
export const launch = (settings: Readonly<Record<string, string>> = {}, bundle = entry) =>
  Effect.map(started(settings, bundle), (server) => ({
    /** 0: it could not be started at all. */
    pid: server.child.pid ?? 0,
    /** Its address, once it listens. */
    listening: listening(server),
    kill: (signal: NodeJS.Signals) => Effect.sync(() => server.child.kill(signal)),
    /** Stops reading: what the server writes there from now on fails with EPIPE. */
    shut: (stream: "stdout" | "stderr") => Effect.sync(() => server.child[stream]?.destroy()),
    ended: server.ended
  }))

/** Starts a server and waits until it listens; kills it when the scope closes. */
export const start = (settings: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    yield* bundled
    const { ended, kill, listening } = yield* launch(settings)
    return ServerProcess.of({ url: yield* listening, kill, ended })
  })

export const layer = (settings: Readonly<Record<string, string>> = {}) =>
  Layer.scoped(ServerProcess, start(settings))

/** Starts a server that is not meant to start, and waits for its end. */
export const refused = (settings: Readonly<Record<string, string>>) =>
  Effect.scoped(Effect.flatMap(Effect.zipRight(bundled, started(settings)), ({ ended }) => ended))
