// bubblewrap, which the embedded host isolates with: a package of the system.
import { isInstalled, isLinux, isRoot } from "./machine.mjs"
import { fail, run } from "./project.mjs"

const command = "apt-get update && apt-get install -y bubblewrap"

const install = () => {
  if (!isLinux) fail("the embedded host needs Linux; set E2B_API_KEY to use E2B's cloud")
  if (!isRoot) fail(`bubblewrap is missing; to install it, run: sudo sh -c '${command}'`)
  if (!isInstalled("apt-get")) fail("bubblewrap is missing; install it with this system's package manager")
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  if (!run("sh", ["-c", command], { env })) fail(`bubblewrap could not be installed by: ${command}`)
}

export const bubblewrap = {
  title: "bubblewrap, on this machine, by apt-get",
  isMissing: () => !isInstalled("bwrap"),
  install
}
