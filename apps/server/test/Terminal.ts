import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Deferred, Effect } from "effect"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** A terminal of its own: what comes on its stdin is typed, and what it shows is its stdout. */
const pty =
  "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['bash', '-c', sys.argv[1]])) % 256)"

/** Types a command into a terminal, at the root of the project; gone with the scope. */
export const open = (command: string, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<number>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("python3", ["-c", pty, `exec ${command}`], {
          cwd: root,
          env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", TERM: "xterm", ...env }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let shown = ""
    child.stdout.on("data", (chunk) => {
      shown += chunk
    })
    child.on("close", (code) => Deferred.unsafeDone(ended, Effect.succeed(code ?? -1)))
    return {
      type: (text: string) => Effect.sync(() => child.stdin.write(text)),
      /** Waits until it has shown this. */
      shows: (wanted: RegExp) =>
        Effect.async<RegExpExecArray>((resume) => {
          const look = () => {
            const found = wanted.exec(shown)
            if (found !== null) resume(Effect.succeed(found))
          }
          child.stdout.on("data", look)
          look()
        }).pipe(
          Effect.raceFirst(
            Effect.flatMap(Deferred.await(ended), (code) =>
              Effect.dieMessage(`${command} ended with ${code} and showed ${shown}`)
            )
          )
        ),
      /** Its exit code, and all that it has shown. */
      ended: Effect.map(Deferred.await(ended), (code) => ({ code, shown }))
    }
  })
