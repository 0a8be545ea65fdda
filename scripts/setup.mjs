// Makes the machine ready to build and run the project: node, dependencies, bubblewrap.
import { existsSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { contentsOf, fail, root, run, whenChanged } from "./project.mjs"

const { engines, packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  const [leastMajor, leastMinor] = engines.node.replace(">=", "").split(".").map(Number)
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return
  fail(
    `Node ${leastMajor}.${leastMinor} or newer is needed, this is ${process.versions.node}: see https://nodejs.org`
  )
}

const isInstalled = (command) =>
  (process.env.PATH ?? "").split(delimiter).some((directory) => existsSync(join(directory, command)))

const aptCommand = "apt-get update && apt-get install -y bubblewrap"

const ensureBubblewrap = () => {
  if (isInstalled("bwrap")) return
  if (process.platform !== "linux") fail("the embedded host needs Linux; set E2B_API_KEY to use E2B's cloud")
  if (process.getuid() !== 0) fail(`bubblewrap is missing; to install it, run: sudo sh -c '${aptCommand}'`)
  if (!isInstalled("apt-get")) fail("bubblewrap is missing; install it with this system's package manager")
  console.log("Installing bubblewrap")
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  if (!run("sh", ["-c", aptCommand], { env })) fail(`bubblewrap could not be installed by: ${aptCommand}`)
}

// A cluster of Debian's own would start with the package, and listen; the tests start one for themselves alone.
const postgresCommand = [
  "apt-get update",
  "apt-get install -y --no-install-recommends postgresql-common",
  "sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf",
  "apt-get install -y --no-install-recommends postgresql"
].join(" && ")

/** Without PostgreSQL the tests that need it are skipped, and say so. */
const ensurePostgres = () => {
  if (existsSync("/usr/lib/postgresql") || isInstalled("postgres")) return
  if (process.platform !== "linux" || process.getuid() !== 0 || !isInstalled("apt-get")) return
  console.log("Installing PostgreSQL, for the tests")
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  if (!run("sh", ["-c", postgresCommand], { env }))
    console.warn(`PostgreSQL could not be installed by: ${postgresCommand}`)
}

const installDependencies = () => {
  console.log("Installing dependencies")
  const install = ["--yes", packageManager, "install", "--frozen-lockfile"]
  if (!run("npx", install)) fail(`dependencies could not be installed by: npx ${install.join(" ")}`)
}

const ensureDependencies = () =>
  whenChanged("dependencies", {
    from: contentsOf(["pnpm-lock.yaml", "pnpm-workspace.yaml"].map((name) => join(root, name))),
    make: installDependencies,
    product: join(root, "node_modules/.modules.yaml")
  })

/** Does what is left to do; quick when that is nothing. */
export const setup = async () => {
  checkNode()
  // E2B's cloud needs no isolation on this machine.
  const usesCloud = process.env.SANDBOX_BACKEND !== "embedded" && Boolean(process.env.E2B_API_KEY)
  if (!usesCloud) ensureBubblewrap()
  await ensureDependencies()
}

/** Does, beyond that, what only the tests need. */
export const setupForTests = async () => {
  await setup()
  ensurePostgres()
}
