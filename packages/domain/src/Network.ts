import { Either, Schema } from "effect"
import { mostTargetCharacters, parseTarget } from "./NetworkTarget.js"

/** `off`: no network. `filtered`: only what is allowed. `open`: all public addresses but what is denied. */
export const NetworkMode = Schema.Literal("off", "filtered", "open")
export type NetworkMode = typeof NetworkMode.Type

/** Most targets of each list of a request. */
export const mostTargets = 64

const flawOf = (text: string) => Either.getOrUndefined(Either.flip(parseTarget(text)))

const Target = Schema.String.pipe(
  Schema.filter((text) => flawOf(text) === undefined, {
    message: ({ actual }) => flawOf(String(actual)) ?? "",
    jsonSchema: { minLength: 1, maxLength: mostTargetCharacters }
  })
)

const Targets = Schema.Array(Target)
  .annotations({ description: "an array of targets" })
  .pipe(Schema.maxItems(mostTargets, { message: () => `expected at most ${mostTargets} targets` }))

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { nullable: true })

const forms =
  "a name (`pypi.org`), all names below one (`*.pythonhosted.org`), an IP address or a network (`203.0.113.0/24`), each maybe with `:port`"

const NetworkFields = Schema.Struct({
  mode: optional(NetworkMode).annotations({
    description:
      "How much of it: `off` is no network, `filtered` only what `allow` names, `open` all public addresses but what `deny` names. `filtered` where there is `allow`, else what the operator allows."
  }),
  allow: optional(Targets).annotations({
    description: `What the program may connect to, each ${forms}; ${mostTargets} at most.`,
    examples: [["pypi.org", "*.pythonhosted.org:443"]]
  }),
  deny: optional(Targets).annotations({
    description: `What it may not connect to, whatever else allows it, in the same forms; ${mostTargets} at most.`,
    examples: [["203.0.113.0/24"]]
  })
})

const modeFlaw = ({ allow = [], mode }: typeof NetworkFields.Type) =>
  mode !== undefined && mode !== "filtered" && allow.length > 0
    ? { path: ["allow"], message: `expected none with the mode ${mode}` }
    : undefined

/** What a request asks for of the network: never more than the operator allows. */
export const NetworkRequest = NetworkFields.pipe(Schema.filter(modeFlaw))
export type NetworkRequest = typeof NetworkRequest.Type

/** What a program may connect to, in the end. What is denied is denied whatever allows it. */
export const NetworkPolicy = Schema.Struct({
  mode: NetworkMode.annotations({
    description:
      "How much of it: `off` is no network, `filtered` only what `allow` names, `open` all public addresses but what `deny` names."
  }),
  allow: Schema.Array(Schema.String).annotations({
    description: "What may be connected to, where the mode is `filtered`.",
    examples: [["pypi.org"]]
  }),
  deny: Schema.Array(Schema.String).annotations({
    description: "What may not be connected to, whatever allows it.",
    examples: [["203.0.113.0/24"]]
  })
})
export type NetworkPolicy = typeof NetworkPolicy.Type

/** A sandbox without a network. */
export const noNetwork: NetworkPolicy = { mode: "off", allow: [], deny: [] }

/** Whether two policies are the same, word for word. */
export const isSamePolicy = Schema.equivalence(NetworkPolicy)

/** Why a connection was refused, or came to nothing. */
export const NetworkReason = Schema.Literal(
  "not_allowed",
  "denied",
  "private_address",
  "no_such_name",
  "connection_limit",
  "byte_limit",
  "rate_limit",
  "tls_name_mismatch",
  "malformed",
  "unreachable"
)
export type NetworkReason = typeof NetworkReason.Type

/** One try of a program to connect to something. */
export const NetworkAttempt = Schema.Struct({
  /** Milliseconds since the epoch. */
  at: Schema.Number,
  protocol: Schema.Literal("http", "connect", "socks5"),
  /** As the program asked for it; an address where it asked for one. */
  name: Schema.String,
  port: Schema.Number,
  decision: Schema.Literal("allowed", "denied"),
  /** Why it was denied. */
  reason: Schema.optional(NetworkReason),
  /** What was connected to. */
  address: Schema.optional(Schema.String),
  /** The name of a secret that was used there, the first time that it was. */
  secret: Schema.optional(Schema.String)
})
export type NetworkAttempt = typeof NetworkAttempt.Type

const count = (description: string, example: number) =>
  Schema.Number.annotations({ description, examples: [example] })

/** What a program used of the network. */
export const NetworkUse = Schema.Struct({
  connections: count("Connections that were allowed.", 12),
  denied: count("Connections that were refused.", 0),
  sentBytes: count("Bytes that were sent.", 2048),
  receivedBytes: count("Bytes that were received.", 1_048_576)
})
export type NetworkUse = typeof NetworkUse.Type

/** Tries to connect from some place in their order on, and what was used by then. */
export const NetworkReport = Schema.Struct({
  attempts: Schema.Array(NetworkAttempt),
  /** Where the next report goes on. */
  next: Schema.Number,
  /** `missed`: tries that are in no report, since there were too many. */
  use: Schema.Struct({ ...NetworkUse.fields, missed: Schema.Number })
})
export type NetworkReport = typeof NetworkReport.Type
