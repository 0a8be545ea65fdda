import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Deferred, Effect } from "effect"
import * as ServerProcess from "../../server/test/ServerProcess.js"

const bin = fileURLToPath(new URL("../../../bin/bulkhead.mjs", import.meta.url))

export interface Ended {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a command in a terminal of its own: what comes on its stdin is typed, and what it shows is its stdout. */
const terminal = [
  "python3",
  "-c",
  "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])) % 256)"
]

export interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** All that comes on stdin; without it that is at its end at once. */
  readonly input?: string | Uint8Array
  readonly onTerminal?: boolean
}

/** Starts `bulkhead` with these words; killed when the scope closes. */
export const start = (words: ReadonlyArray<string>, { cwd, env = {}, onTerminal = false }: Options = {}) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Ended>()
    const [command = "", ...args] = [...(onTerminal ? terminal : []), process.execPath, bin, ...words]
    const said = { stdout: [] as Buffer[], stderr: "" }
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(command, args, {
          cwd,
          env: {
            PATH: process.env.PATH ?? "",
            HOME: process.env.HOME ?? "/",
            SANDBOX_BACKEND: "embedded",
            ...env
          }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    child.stdout.on("data", (chunk) => said.stdout.push(chunk))
    child.stderr.on("data", (chunk) => {
      said.stderr += chunk
    })
    child.stdin.on("error", () => undefined)
    child.on("close", (code) =>
      Deferred.unsafeDone(
        ended,
        Effect.succeed({ code: code ?? -1, stdout: Buffer.concat(said.stdout), stderr: said.stderr })
      )
    )
    const stdout = () => Buffer.concat(said.stdout).toString()
    return {
      pid: child.pid ?? 0,
      kill: (signal: NodeJS.Signals) => Effect.sync(() => child.kill(signal)),
      /** What is typed, or comes on stdin. */
      type: (text: string | Uint8Array) => Effect.sync(() => child.stdin.write(text)),
      endInput: Effect.sync(() => child.stdin.end()),
      /** Reads no more of what it prints. */
      shutStdout: Effect.sync(() => child.stdout.destroy()),
      /** Waits until it has printed this. */
      printed: (words: string) =>
        Effect.async<void>((resume) => {
          const look = () => {
            if (stdout().includes(words) || said.stderr.includes(words)) resume(Effect.void)
          }
          child.stdout.on("data", look)
          child.stderr.on("data", look)
          look()
        }).pipe(
          Effect.raceFirst(
            Effect.flatMap(Deferred.await(ended), ({ code, stderr }) =>
              Effect.dieMessage(`it ended with ${code} and said ${stdout()}${stderr}`)
            )
          )
        ),
      ended: Deferred.await(ended)
    }
  })

/** Runs `bulkhead` to its end. */
export const run = (words: ReadonlyArray<string>, options: Options = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const cli = yield* start(words, options)
      if (options.input !== undefined) yield* cli.type(options.input)
      if (options.onTerminal !== true) yield* cli.endInput
      return yield* cli.ended
    })
  )

/** With the server of the test, as its operator unless told otherwise. */
export const atServer = (options: Options = {}) =>
  Effect.map(ServerProcess.ServerProcess, ({ url }) => ({
    ...options,
    env: { BULKHEAD_URL: url, BULKHEAD_TOKEN: ServerProcess.adminToken, ...options.env }
  }))

/** Runs `bulkhead` with the server of the test to its end. */
export const runAtServer = (words: ReadonlyArray<string>, options: Options = {}) =>
  Effect.flatMap(atServer(options), (options) => run(words, options))
