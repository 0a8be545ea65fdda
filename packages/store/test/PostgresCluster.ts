import { spawn, spawnSync } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { TestProject } from "vitest/node"

/** Where a PostgreSQL for these tests alone can be reached, or why there is none. */
export type Postgres = { readonly url: string } | { readonly missing: string }

declare module "vitest" {
  interface ProvidedContext {
    readonly postgres: Postgres
  }
}

interface Account {
  readonly uid: number
  readonly gid: number
}

/** Debian keeps the server's programs of each version in a directory of their own, outside the path. */
const binaries = () => {
  const debian = "/usr/lib/postgresql"
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  const directories = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter)
  ]
  return directories.find((directory) =>
    ["initdb", "postgres"].every((name) => existsSync(join(directory, name)))
  )
}

/** PostgreSQL refuses to run as root. */
const account = (): Account | undefined => {
  if (process.getuid?.() !== 0) return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 }
  const lines = readFileSync("/etc/passwd", "utf8").split("\n")
  const line = ["postgres", "nobody"]
    .map((name) => lines.find((line) => line.startsWith(`${name}:`)))
    .find((line) => line !== undefined)
  const [, , uid, gid] = line?.split(":") ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

const initialise = (bin: string, data: string, as: Account) => {
  const args = ["-D", data, "-U", "bulkhead", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
  const { error, status, stderr } = spawnSync(join(bin, "initdb"), args, {
    ...as,
    cwd: "/",
    encoding: "utf8"
  })
  return status === 0 ? undefined : `initdb failed: ${error?.message ?? stderr}`
}

/** A server of a cluster, from its start to its end. */
interface Served {
  readonly stop: () => Promise<void>
  /** Ends it at once, as a crash of the machine would. */
  readonly kill: () => Promise<void>
}

/** Started so that it ends with this process, even if that is killed. */
const serve = (bin: string, directory: string, data: string, as: Account) =>
  new Promise<Served | { readonly missing: string }>((resolve) => {
    const identity =
      process.getuid?.() === 0 ? [`--reuid=${as.uid}`, `--regid=${as.gid}`, "--clear-groups"] : []
    const server = [
      join(bin, "postgres"),
      "-D",
      data,
      "-k",
      directory,
      "-c",
      "listen_addresses=",
      "-c",
      "fsync=on"
    ]
    const child = spawn("setpriv", [...identity, "--pdeathsig", "INT", "--", ...server], {
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"]
    })
    let log = ""
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    const end = (signal: NodeJS.Signals) => async () => {
      child.kill(signal)
      await ended
    }
    child.once("error", (error) => resolve({ missing: error.message }))
    child.once("exit", () => resolve({ missing: `postgres ended: ${log}` }))
    child.stderr.on("data", (chunk) => {
      if (log.length < 10_000) log += chunk
      if (String(chunk).includes("ready to accept connections"))
        resolve({ stop: end("SIGINT"), kill: end("SIGKILL") })
    })
  })

/** A cluster of its own on a socket in a temporary directory, whose server runs. */
export interface Cluster extends Served {
  readonly url: string
  /** Where its socket is. */
  readonly directory: string
  /** Starts the server again, once it has ended. */
  readonly restart: () => Promise<Served | { readonly missing: string }>
  readonly remove: () => void
}

export const makeCluster = async (): Promise<Cluster | { readonly missing: string }> => {
  const bin = binaries()
  if (bin === undefined)
    return { missing: "PostgreSQL is not installed; as root, run: apt-get install postgresql" }
  const as = account()
  if (as === undefined)
    return { missing: "PostgreSQL does not run as root, and there is no user postgres or nobody" }
  const directory = mkdtempSync(join(tmpdir(), "store-pg-"))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  chownSync(directory, as.uid, as.gid)
  const data = join(directory, "data")
  const failure = initialise(bin, data, as)
  const restart = () => serve(bin, directory, data, as)
  const served = failure === undefined ? await restart() : { missing: failure }
  if ("missing" in served) {
    remove()
    return served
  }
  const url = `postgresql://bulkhead@${encodeURIComponent(directory)}/postgres`
  return { ...served, url, directory, restart, remove }
}

/** A private cluster on a socket in a temporary directory, for as long as the tests run. */
export default async (project: TestProject) => {
  const cluster = await makeCluster()
  if ("missing" in cluster) {
    project.provide("postgres", cluster)
    console.warn(`The store's tests on PostgreSQL are skipped: ${cluster.missing}`)
    return
  }
  project.provide("postgres", { url: cluster.url })
  return () => cluster.stop().finally(cluster.remove)
}
