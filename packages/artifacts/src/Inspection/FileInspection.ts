import { createHash } from "node:crypto"
import { Effect } from "effect"
import { type ArtifactRules, defaultWhitelist, type Whitelist } from "../ArtifactKinds.js"
import { judgePacked } from "../PackedFiles.js"
import { checks } from "./Checks.js"
import * as FirstBytes from "./FirstBytes.js"
import { bounds, type Inside } from "./Inside.js"
import { all, type Inspector, joined } from "./Inspector.js"

/** What came of looking at a file. */
export type Inspected =
  | {
      readonly _tag: "Passed"
      /** In lower-case hex. */
      readonly sha256: string
      /** The encoding of its text, where that is sure. */
      readonly charset?: "utf-8"
    }
  | { readonly _tag: "Flawed"; readonly flaw: string }

/** One file that is being looked at. */
export interface FileInspection<E = never> {
  /** Looks at its next bytes. What it gives is wrong with the file, and ends the inspection. */
  readonly push: (bytes: Uint8Array) => Effect.Effect<string | undefined, E>
  /** The file has ended. Call it once. */
  readonly end: Effect.Effect<Inspected, E>
}

const inspectorOf = (rules: ArtifactRules, inside: Inside) =>
  all(rules.checks.map((name) => checks[name](inside)))

/** Looks at a file that is packed in another. */
const packed =
  (whitelist: Whitelist) =>
  (inside: Inside): Inspector | string => {
    const rules = judgePacked(inside.name, whitelist)
    return typeof rules === "string" ? rules : inspectorOf(rules, inside)
  }

/** Looks at every byte of a file under these rules, and hashes it. */
export const make = (rules: ArtifactRules): FileInspection => {
  const { name = "", whitelist = defaultWhitelist } = rules
  const unpacking = { packedBytes: 0, unpackedBytes: 0, entries: 0, nameBytes: 0 }
  const { harmlessBytes } = bounds
  const inside: Inside = { name, depth: 0, unpacking, harmlessBytes, inspectorOf: packed(whitelist) }
  const inspector = inspectorOf(rules, inside)
  const hash = createHash("sha256")
  let head: Uint8Array = new Uint8Array(0)
  let isJudged = false

  const judge = (flaw: string | undefined) =>
    Effect.suspend(() => {
      isJudged = true
      return FirstBytes.judge(rules, head, flaw)
    })
  const passed = (): Inspected => {
    const charset = inspector.charset?.()
    return { _tag: "Passed", sha256: hash.digest("hex"), ...(charset === undefined ? {} : { charset }) }
  }

  return {
    push: (bytes) =>
      Effect.suspend(() => {
        hash.update(bytes)
        unpacking.packedBytes += bytes.length
        const flaw = inspector.push(bytes)
        if (isJudged) return Effect.succeed(flaw)
        head = joined(head, bytes.subarray(0, FirstBytes.sniffedBytes - head.length))
        // What its first bytes look like says more than what is wrong with its structure.
        const isEnough = flaw !== undefined || head.length >= FirstBytes.sniffedBytes
        return isEnough ? judge(flaw) : Effect.succeed(undefined)
      }),
    end: Effect.suspend(() => {
      const found = inspector.end()
      return Effect.map(isJudged ? Effect.succeed(found) : judge(found), (flaw) =>
        flaw === undefined ? passed() : ({ _tag: "Flawed", flaw } as const)
      )
    })
  }
}
