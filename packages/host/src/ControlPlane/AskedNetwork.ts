import { type NetworkTarget, parseTarget } from "@bulkhead/domain"
import type { NetworkPolicy } from "@bulkhead/egress"
import { Effect, Either, Option, Schema } from "effect"
import { RequestRefused } from "../HostErrors.js"
import type { HostNetwork } from "../HostOptions.js"

/** The targets of a list. */
const Targets = Schema.optional(Schema.NullOr(Schema.Array(Schema.String)))

/** E2B's network options, as far as this host has them. Others are refused by their names. */
export const AskedNetwork = Schema.Struct(
  { allowOut: Targets, denyOut: Targets, allowPublicTraffic: Schema.optional(Schema.NullOr(Schema.Boolean)) },
  { key: Schema.String, value: Schema.Unknown }
)
export type AskedNetwork = typeof AskedNetwork.Type

const known = new Set(["allowOut", "denyOut", "allowPublicTraffic", "rules"])
const mostTargets = 1000

/** All traffic, as E2B has it. */
const everything = new Set(["0.0.0.0/0", "::/0"])

const refuse = (message: string) => new RequestRefused({ status: 400, message })

const read = (field: string, texts: ReadonlyArray<string>) =>
  texts.length > mostTargets
    ? refuse(`network.${field} has ${texts.length} entries: at most ${mostTargets} are accepted`)
    : Effect.forEach(texts, (text, index) =>
        Either.match(parseTarget(text), {
          onLeft: (accepted) => refuse(`network.${field}[${index}]: ${accepted}`),
          onRight: (target): Effect.Effect<NetworkTarget> => Effect.succeed(target)
        })
      )

const modeOf = (
  isAllowed: boolean | null | undefined,
  deniesAll: boolean,
  allowsSome: boolean,
  { default: usual }: HostNetwork
) => {
  if (isAllowed === false || (deniesAll && !allowsSome)) return "off"
  if (deniesAll || (allowsSome && usual === "off")) return "filtered"
  return isAllowed === true ? "open" : usual
}

/** What a sandbox may speak with. None: it has no network. */
export const policyOf = (
  isAllowed: boolean | null | undefined,
  asked: AskedNetwork | null | undefined,
  options: HostNetwork
): Effect.Effect<Option.Option<NetworkPolicy>, RequestRefused> =>
  Effect.gen(function* () {
    const strange = Object.entries(asked ?? {}).find(([name, value]) => !known.has(name) && value !== null)
    if (strange !== undefined) return yield* refuse(`this host has no network.${strange[0]}`)
    if (asked?.allowPublicTraffic === true)
      return yield* refuse(
        "this host's sandboxes cannot be reached from outside: allowPublicTraffic must be false"
      )
    const denied = asked?.denyOut ?? []
    const allow = yield* read("allowOut", asked?.allowOut ?? [])
    const deny = yield* read(
      "denyOut",
      denied.filter((text) => !everything.has(text))
    )
    const deniesAll = denied.some((text) => everything.has(text))
    const mode = modeOf(isAllowed, deniesAll, allow.length > 0, options)
    return mode === "off" ? Option.none() : Option.some({ mode, allow, deny })
  })
