import { fileURLToPath } from "node:url"

const beside = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/** The project, both from this source and from the bundle. */
export const root: string = beside("../../../")

/** What runs the bare processes; the bundle has it beside itself. */
export const spawner: string = beside("./spawner.pl")

/** This very program, where it is bundled. */
export const program: string = fileURLToPath(import.meta.url)

/** The running node. */
export const node: string = process.execPath
