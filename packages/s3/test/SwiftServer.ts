import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"

/** Where a store for these tests alone that speaks S3 can be reached, or why there is none. */
export type S3Server = { readonly endpoint: string } | { readonly missing: string }

declare module "vitest" {
  interface ProvidedContext {
    readonly s3: S3Server
  }
}

const program = fileURLToPath(new URL("serve_swift.py", import.meta.url))

const python = () =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "python3-with-swift"))
    .find((path) => existsSync(path))

/** Started so that it ends with this process, even if that is killed. */
const serve = (command: string, directory: string) =>
  new Promise<S3Server & { readonly stop: () => Promise<void> }>((resolve) => {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, program, directory], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    const stop = async () => {
      child.kill("SIGKILL")
      await ended
    }
    let log = ""
    const without = (missing: string) => resolve({ missing, stop })
    child.once("error", ({ message }) => without(message))
    child.once("exit", () => without(`it ended: ${log}`))
    child.stderr.on("data", (text) => {
      log = (log + text).slice(-2000)
    })
    child.stdout.once("data", (text) => {
      const line = String(text).trim()
      if (line.startsWith("http")) resolve({ endpoint: line, stop })
      else without(line)
    })
  })

/** OpenStack Swift with its S3 API, for as long as the tests run. */
export default async (project: TestProject) => {
  const command = python()
  if (command === undefined) {
    project.provide("s3", { missing: "OpenStack Swift is not unpacked: npm test does that on Debian" })
    return
  }
  const directory = mkdtempSync(join(tmpdir(), "s3-swift-"))
  const { stop, ...server } = await serve(command, directory)
  project.provide("s3", server)
  if ("missing" in server) console.warn(`The tests of S3 are skipped: ${server.missing}`)
  return () => stop().finally(() => rmSync(directory, { recursive: true, force: true }))
}
