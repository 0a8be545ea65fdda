import type { ArtifactRules } from "../ArtifactKinds.js"
import type { Inspected } from "./FileInspection.js"

/** What a thread that inspects files is asked, for one file after the other. */
export type Request =
  | { readonly _tag: "Begin"; readonly rules: ArtifactRules }
  | { readonly _tag: "Push"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly _tag: "End" }

/** `GoOn`: nothing is wrong so far. */
export type Reply = { readonly _tag: "GoOn" } | Inspected

/** What a thread sends, and how long it was busy with it. */
export interface Answer {
  readonly reply: Reply
  readonly busyMs: number
}

/** The threads' program: beside this module, and beside a bundle too. */
export const defaultProgram = new URL("./InspectionWorker.js", import.meta.url)
