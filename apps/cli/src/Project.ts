import { fileURLToPath } from "node:url"

/** A script of the clone that this program is part of. The bundle lies as deep in it as this source. */
export const script = (name: string): string =>
  fileURLToPath(new URL(`../../../scripts/${name}`, import.meta.url))
