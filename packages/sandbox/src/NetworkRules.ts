import {
  coversTarget,
  type NetworkMode,
  type NetworkPolicy,
  type NetworkRequest,
  type NetworkTarget,
  targetsOf,
  targetText,
  type UserId
} from "@bulkhead/domain"
import { Context, Either } from "effect"

/** What is asked for that is not allowed, by the name of the field. */
export interface NetworkFlaw {
  /** `mode`, `allow.3`. */
  readonly field: string
  /** What is accepted. */
  readonly message: string
}

/** How much each mode allows. */
const width: Record<NetworkMode, number> = { off: 0, filtered: 1, open: 2 }

const allowedModes = (bound: NetworkMode) =>
  (["off", "filtered", "open"] as const).filter((mode) => width[mode] <= width[bound]).join(" or ")

const canonical = (texts: ReadonlyArray<string>) => [...new Set(targetsOf(texts).map(targetText))]

const modeOf = (bound: NetworkPolicy, { allow, mode }: NetworkRequest): NetworkMode =>
  mode ?? (allow === undefined ? bound.mode : "filtered")

/** Why the bound does not allow what is asked for; undefined: it does. */
const flawOfTarget = (bound: NetworkPolicy, text: string): string | undefined => {
  const asked = targetsOf([text])
  const isWithin = (wide: ReadonlyArray<NetworkTarget>) =>
    asked.every((target) => wide.some((each) => coversTarget(each, target)))
  if (isWithin(targetsOf(bound.deny))) return "expected what is not denied by the operator"
  if (bound.mode === "open" || isWithin(targetsOf(bound.allow))) return undefined
  return `expected at most what the operator allows: ${shown(bound.allow)}`
}

/** As many targets as a message names. */
const mostShown = 10

const shown = (targets: ReadonlyArray<string>) => {
  const others = targets.length - mostShown
  const all = [...targets.slice(0, mostShown), ...(others > 0 ? [`${others} more`] : [])]
  return all.length === 0 ? "nothing" : all.join(", ")
}

/** The policy in words for people. */
export const describePolicy = ({ allow, deny, mode }: NetworkPolicy): string =>
  [
    mode,
    ...(mode === "filtered" ? [`allowed: ${shown(allow)}`] : []),
    ...(mode !== "off" && deny.length > 0 ? [`denied: ${shown(deny)}`] : [])
  ].join("; ")

const flawOfMode = (bound: NetworkPolicy, asked: NetworkRequest): NetworkFlaw | undefined => {
  if (width[modeOf(bound, asked)] <= width[bound.mode]) return undefined
  if (asked.mode === undefined)
    return { field: "allow", message: "expected none, since the operator gives programs no network" }
  return { field: "mode", message: `expected ${allowedModes(bound.mode)}, the operator allows no more` }
}

const flawsOfTargets = (bound: NetworkPolicy, { allow = [] }: NetworkRequest): ReadonlyArray<NetworkFlaw> =>
  allow.flatMap((text, index) => {
    const message = flawOfTarget(bound, text)
    return message === undefined ? [] : [{ field: `allow.${index}`, message }]
  })

const nothingAllowed: NetworkFlaw = {
  field: "allow",
  message: "is missing: expected what may be connected to, with the mode filtered"
}

/** What is allowed when this is asked for within that bound: never more than the bound. Left: it asks for more. */
export const narrow = (
  bound: NetworkPolicy,
  asked: NetworkRequest
): Either.Either<NetworkPolicy, NetworkFlaw> => {
  const mode = modeOf(bound, asked)
  const flaw = flawOfMode(bound, asked) ?? flawsOfTargets(bound, asked)[0]
  if (flaw !== undefined) return Either.left(flaw)
  if (mode === "off") return Either.right({ mode, allow: [], deny: [] })
  if (mode === "filtered" && bound.mode === "open" && asked.allow === undefined)
    return Either.left(nothingAllowed)
  return Either.right({
    mode,
    allow: mode === "filtered" ? canonical(asked.allow ?? bound.allow) : [],
    deny: canonical([...bound.deny, ...(asked.deny ?? [])])
  })
}

/**
 * What the operator allows programs of the network. Default: what the provider's sandboxes have, for everybody.
 */
export class NetworkRules extends Context.Reference<NetworkRules>()("@bulkhead/sandbox/NetworkRules", {
  defaultValue: (): {
    /** What nobody can have more of. Absent: the provider's default mode. */
    readonly bound?: NetworkPolicy
    /** What single users get unless they ask for less; within the bound. */
    readonly ofUsers: ReadonlyMap<UserId | string, NetworkRequest>
  } => ({ ofUsers: new Map() })
}) {}
