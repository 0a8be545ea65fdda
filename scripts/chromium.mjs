// Chromium, for the test that fetches artifacts as a browser does: a package of the system.
import { isInstalled, isLinux, isRoot } from "./machine.mjs"
import { run } from "./project.mjs"

const command = "apt-get update && apt-get install -y --no-install-recommends chromium"

const names = ["chromium", "chromium-browser", "google-chrome"]

const install = () => {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  if (!run("sh", ["-c", command], { env }))
    console.warn("Chromium could not be installed: the tests that need it are skipped")
}

/** Without Chromium the tests that need it are skipped, and say so. */
export const chromium = {
  title: "Chromium, for the tests, on this machine, by apt-get (about 500 MB)",
  isMissing: () => !names.some(isInstalled) && isLinux && isRoot && isInstalled("apt-get"),
  install
}
