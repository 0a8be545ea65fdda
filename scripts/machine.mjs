// What the setup asks of the machine.
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"

/** Whether the shell finds a command. */
export const isInstalled = (command) =>
  (process.env.PATH ?? "").split(delimiter).some((directory) => existsSync(join(directory, command)))

export const isLinux = process.platform === "linux"

export const isRoot = process.getuid?.() === 0
