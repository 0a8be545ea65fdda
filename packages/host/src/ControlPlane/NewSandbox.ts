import { fromGpuTag, gpuTag } from "@bulkhead/domain"
import { Effect, Option, Predicate, Schema } from "effect"
import * as CommandLength from "../Guest/CommandLength.js"
import { Variables } from "../Guest/Variables.js"
import { RequestRefused } from "../HostErrors.js"
import type { HostNetwork } from "../HostOptions.js"
import type { Template } from "../Isolation/Template.js"
import { AskedNetwork, policyOf } from "./AskedNetwork.js"
import type { SandboxRequest } from "./SandboxTable.js"
import * as SecretRules from "./SecretRules.js"
import * as Timeout from "./Timeout.js"

const Strings = Schema.Record({ key: Schema.String, value: Schema.String })
/** Most bytes of a sandbox's metadata as JSON. A page of a list has that of a hundred sandboxes. */
const MOST_METADATA = 64 * 1024

const Metadata = Strings.pipe(
  Schema.filter((metadata) => Buffer.byteLength(JSON.stringify(metadata)) <= MOST_METADATA, {
    description: `at most ${MOST_METADATA} bytes as JSON`
  })
)

const Anything = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/**
 * The body of a request for a new sandbox. Sandboxes are secure whatever `secure` says, and `autoPauseMemory` means
 * nothing without `autoPause`, which is refused.
 */
export const NewSandbox = Schema.Struct({
  templateID: Schema.String,
  timeout: Schema.optional(Timeout.Seconds),
  metadata: optional(Metadata),
  envVars: optional(Variables),
  secure: optional(Schema.Boolean),
  autoPause: optional(Schema.Boolean),
  autoPauseMemory: optional(Schema.Boolean),
  autoResume: optional(Schema.Struct({ enabled: optional(Schema.Boolean) })),
  allow_internet_access: optional(Schema.Boolean),
  network: optional(AskedNetwork),
  iam: optional(Anything),
  mcp: optional(Anything),
  volumeMounts: optional(Schema.Array(Schema.Unknown))
})
type NewSandbox = typeof NewSandbox.Type

const isEmpty = (value: unknown): boolean =>
  Predicate.isNullable(value) || (Predicate.isObject(value) && Object.keys(value).length === 0)

/**
 * Whether a network option is met by having no network. (`allow_internet_access` is E2B's default, so it is let be.)
 */
const isMet = ([name, value]: readonly [string, unknown]) =>
  isEmpty(value) || name === "denyOut" || (name === "allowPublicTraffic" && value === false)

/** What E2B offers and this host does not, with what is said to those who ask for it. */
const missing: ReadonlyArray<readonly [isAsked: (asked: NewSandbox) => boolean, message: string]> = [
  [({ volumeMounts }) => !isEmpty(volumeMounts), "this host has no volumes"],
  [({ autoPause }) => autoPause === true, "this host cannot pause sandboxes: autoPause must be false"],
  [
    ({ autoResume }) => autoResume?.enabled === true,
    "this host cannot resume sandboxes: autoResume must be off"
  ],
  [({ iam }) => !isEmpty(iam), "this host issues no identity tokens"],
  [({ mcp }) => Predicate.isNotNullable(mcp), "this host has no MCP gateway"]
]

const withoutNetwork = "this host's sandboxes have no network: it can only be denied"

const networkOf = ({ allow_internet_access, network }: NewSandbox, options: HostNetwork | undefined) => {
  if (options !== undefined) return policyOf(allow_internet_access, network, options)
  return Object.entries(network ?? {}).every(isMet) ? Effect.succeedNone : refuse(400, withoutNetwork)
}

/** The secrets that its programs may use. */
const secretsOf = Effect.fnUntraced(function* ({ network }: NewSandbox, hasNetwork: boolean) {
  const secrets = yield* SecretRules.read(network?.rules)
  if (secrets.size > 0 && !hasNetwork) return yield* refuse(400, "network.rules need a network")
  return secrets
})

const refuse = (status: number, message: string) => new RequestRefused({ status, message })

/** No program could be started with longer ones. */
const checkEnvVars = (envVars: Readonly<Record<string, string>>) =>
  Option.match(
    CommandLength.fault(
      "envVars",
      Object.entries(envVars).map(([name, value]) => `${name}=${value}`)
    ),
    { onNone: () => Effect.void, onSome: (fault) => refuse(400, fault) }
  )

/** What a client asks for, or why it cannot be had. `defaultTimeout` is in seconds, `maxLifetime` in milliseconds. */
export const toRequest = (
  asked: NewSandbox,
  templates: ReadonlyMap<string, Template>,
  defaultTimeout: number,
  maxLifetime: number,
  networkOptions: HostNetwork | undefined
): Effect.Effect<SandboxRequest, RequestRefused> =>
  Effect.gen(function* () {
    const madeFrom = templates.get(asked.templateID)
    if (madeFrom === undefined)
      return yield* refuse(
        404,
        `template "${asked.templateID}" not found: this host has ${[...templates.keys()].join(", ")}`
      )
    const [refused] = missing.filter(([isAsked]) => isAsked(asked))
    if (refused !== undefined) return yield* refuse(400, refused[1])
    yield* checkEnvVars(asked.envVars ?? {})
    const network = yield* networkOf(asked, networkOptions)
    const tag = asked.metadata?.[gpuTag]
    const gpus = tag === undefined ? undefined : fromGpuTag(tag)
    if (tag !== undefined && gpus === undefined)
      return yield* refuse(400, `metadata.${gpuTag}: expected a count and a kind, like "2 NVIDIA L4"`)
    return {
      template: asked.templateID,
      madeFrom,
      lifetime: yield* Timeout.toLifetime(asked.timeout, defaultTimeout, maxLifetime),
      metadata: asked.metadata ?? {},
      envVars: asked.envVars ?? {},
      network,
      secrets: yield* secretsOf(asked, Option.isSome(network)),
      ...(gpus && { gpus })
    }
  })
