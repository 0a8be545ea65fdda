import * as OperatingSystem from "node:os"

/** This process's id. */
export const pid: number = process.pid
/** Its user id. */
export const uid: number = process.getuid?.() ?? 0
/** Whether it may take on other users' ids. */
export const isRoot: boolean = uid === 0
/** The processor, by Node's name. */
export const architecture: string = process.arch
/** The running node, whose installation sandboxes may share. */
export const nodePath: string = process.execPath
/** Processors that this process may use. */
export const processors: number = OperatingSystem.availableParallelism()
/** The kernel's version as a number that can be compared: 5.14 is 5.14, 5.4 is 5.04. */
export const kernel: number = (() => {
  const [major = 0, minor = 0] = OperatingSystem.release()
    .split(".")
    .map((part) => Number.parseInt(part, 10))
  return major + minor / 100
})()
