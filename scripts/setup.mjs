// Makes everything ready that a command needs: says what is missing, then installs it.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { bubblewrap } from "./bubblewrap.mjs"
import { chromium } from "./chromium.mjs"
import { dependencies } from "./dependencies.mjs"
import { nginx } from "./nginx.mjs"
import { postgres } from "./postgres.mjs"
import { fail, root } from "./project.mjs"
import { swift } from "./swift.mjs"

const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  const [leastMajor, leastMinor] = engines.node.replace(">=", "").split(".").map(Number)
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return
  fail(
    `Node ${leastMajor}.${leastMinor} or newer is needed, this is ${process.versions.node}: see https://nodejs.org`
  )
}

const ensure = (needs) => {
  checkNode()
  const missing = needs.filter(({ isMissing }) => isMissing())
  if (missing.length === 0) return
  console.log(["This will install:", ...missing.map(({ title }) => `  - ${title}`)].join("\n"))
  for (const { install } of missing) install()
}

const setting = (name) => (process.env[name] ?? "").trim()

/** E2B's cloud needs no isolation on this machine. */
const usesCloud = () => setting("SANDBOX_BACKEND") !== "embedded" && setting("E2B_API_KEY") !== ""

const forServer = () => (usesCloud() ? [dependencies] : [bubblewrap, dependencies])

/** For what runs on mocks alone. */
export const setupDependencies = () => ensure([dependencies])

/** For what starts the server. */
export const setup = () => ensure(forServer())

/** For the tests. */
export const setupForTests = () => ensure([...forServer(), postgres, swift, nginx, chromium])

/** For servers that share a database. */
export const setupForCluster = () => ensure([...forServer(), postgres])
