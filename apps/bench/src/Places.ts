import { fileURLToPath } from "node:url"

const beside = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The project, both from this source and from the bundle. */
export const root: string = beside("../../../")

/** The Perl loop that measures; the bundle has it and what it is told by beside itself. */
export const loop: string = beside("./loop.pl")

/** Tells the loop to run a command. */
export const spawner: string = beside("./spawner.pl")

/** Tells the loop to send a request. */
export const poster: string = beside("./poster.pl")

/** This very program, where it is bundled. */
export const program: string = fileURLToPath(import.meta.url)

/** The running node. */
export const node: string = process.execPath
