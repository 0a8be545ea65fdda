import { spawn } from "node:child_process"
import { mkdtempSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Guest } from "@bulkhead/guest"
import type { CommandExit } from "@bulkhead/sandbox"
import type { MockSandboxProvider } from "@bulkhead/testing"
import { Effect, Runtime } from "effect"

/** Where the image has the supervisor. */
export const place = `/opt/guest-${process.arch}`

const lay = fileURLToPath(new URL("image/lay.sh", import.meta.url))

const namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--ipc", "--kill-child"]

/** Whether this machine lets us be root in an image of our own. */
export const isPossible = process.getuid?.() === 0

/** Runs each command as root in a fresh image that has ways to root (image/lay.sh). */
export const running =
  (more: Readonly<Record<string, string>> = {}): MockSandboxProvider.MockProgram =>
  (process) =>
    Effect.scoped(
      Effect.gen(function* () {
        const image = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "image-"))),
          (directory) => Effect.sync(() => rmdirSync(directory))
        )
        const { path: guest } = yield* Effect.orDie(
          Guest.read(Guest.architectureOf(globalThis.process.arch) ?? "x64")
        )
        const runFork = Runtime.runFork(yield* Effect.runtime())
        return yield* Effect.async<CommandExit>((resume) => {
          const child = spawn("unshare", [...namespaces, "sh", lay], {
            stdio: ["ignore", "pipe", "pipe"],
            env: {
              PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
              ...{
                IMAGE: image,
                NODE: globalThis.process.execPath,
                GUEST: guest,
                LINE: process.command.line
              },
              ...more,
              ...process.command.env
            }
          })
          child.stdout.setEncoding("utf8").on("data", (text: string) => runFork(process.stdout(text)))
          child.stderr.setEncoding("utf8").on("data", (text: string) => runFork(process.stderr(text)))
          child.on("close", (code, signal) =>
            resume(Effect.succeed(code === null ? { signal: signal ?? "SIGKILL" } : { exitCode: code }))
          )
          return Effect.sync(() => child.kill("SIGKILL"))
        })
      })
    )
