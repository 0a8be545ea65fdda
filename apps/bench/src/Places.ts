import { fileURLToPath } from "node:url"

const beside = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The project, both from this source and from the bundle. */
export const root: string = beside("../../../")

/** The Perl scripts, which the bundle has beside itself: the loop that measures, */
export const loop: string = beside("./loop.pl")

/** what it runs the bare processes by, */
export const spawner: string = beside("./spawner.pl")

/** and what it sends requests over HTTP by. */
export const poster: string = beside("./poster.pl")

/** This very program, where it is bundled. */
export const program: string = fileURLToPath(import.meta.url)

/** The running node. */
export const node: string = process.execPath
