import type { Bind } from "./BuildSandbox.js"

/** Where an image is built: a tree for the image, and a directory for what builds it. Commands may write both. */
export interface Workspace {
  readonly root: string
  readonly work: string
}

/** Where commands see them. */
export const ROOT = "/build/root"
export const WORK = "/build/work"

export const binds = ({ root, work }: Workspace): ReadonlyArray<Bind> => [
  { from: root, at: ROOT, writable: true },
  { from: work, at: WORK, writable: true }
]
