import { createHmac } from "node:crypto"
import {
  coversTarget,
  type ExecutionId,
  type ExecutionRequest,
  InvalidRequest,
  type NetworkPolicy,
  type NetworkRequest,
  type OwnSecret,
  PolicyRefused,
  type RequestSecret,
  type RequestSecrets,
  secretHeaderOf,
  targetsOf,
  type UserId
} from "@bulkhead/domain"
import { SecretForms } from "@bulkhead/masking"
import { Effect, Either, Predicate, Record as Records, Redacted } from "effect"
import { KeptSecrets } from "../KeptSecrets.js"
import { SandboxFailure, type SecretControl } from "../Sandboxes/SandboxProvider.js"
import type { SandboxSecret } from "../Sandboxes/SandboxSecret.js"

/** Of all values together: each form of each is looked for in all that comes back. */
const mostCharacters = 16_384

/** What one execution has of secrets. */
export interface HeldSecrets {
  readonly secrets: ReadonlyArray<SandboxSecret>
  /** Finds them in what comes back. */
  readonly forms: SecretForms
}

interface Asker {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly request: ExecutionRequest
}

/** So long that nothing else is taken for one. */
const makePlaceholder = Effect.sync(
  () => `bulkhead_secret_${globalThis.crypto.randomUUID().replaceAll("-", "")}`
)

const refused = ({ executionId }: Asker, field: string, message: string) =>
  new InvalidRequest({ executionId, field, message: `${field}: ${message}` })

/** The secret itself, whoever has it. */
const find = Effect.fnUntraced(function* (asker: Asker, variable: string, asked: RequestSecret) {
  const { header, hosts, name, value } = asked
  if (name !== undefined) {
    const kept = (yield* KeptSecrets).find(asker.userId, name)
    return (
      kept ??
      (yield* refused(
        asker,
        `secrets.${variable}.name`,
        "expected the name of a secret that is kept for this user"
      ))
    )
  }
  if (value === undefined || hosts === undefined)
    return yield* refused(asker, `secrets.${variable}`, "expected a value and its hosts, or a name")
  const own: OwnSecret = { value, hosts, ...(header !== undefined && { header }) }
  return own
})

const hold = Effect.fnUntraced(function* (asker: Asker, variable: string, asked: RequestSecret) {
  if (Object.hasOwn(asker.request.env, variable))
    return yield* refused(asker, `secrets.${variable}`, "expected a name that is not in env too")
  const { header, hosts, value } = yield* find(asker, variable, asked)
  const secret: SandboxSecret = {
    name: variable,
    value,
    placeholder: yield* makePlaceholder,
    hosts: [...new Set(hosts.map((host) => host.toLowerCase().replace(/:443$/, "")))],
    ...(header !== undefined && { header: secretHeaderOf(header) })
  }
  return secret
})

/** Finds a request's secrets, and makes the placeholders that its program gets. Absent: it has none. */
export const holdAll = Effect.fnUntraced(function* (
  asker: Asker
): Effect.fn.Return<HeldSecrets | undefined, InvalidRequest> {
  const asked = Object.entries(asker.request.secrets)
  if (asked.length === 0) return undefined
  const secrets = yield* Effect.forEach(asked, ([variable, secret]) => hold(asker, variable, secret))
  const characters = secrets.reduce((sum, { value }) => sum + Redacted.value(value).length, 0)
  if (characters > mostCharacters)
    return yield* refused(asker, "secrets", `expected values of at most ${mostCharacters} characters in all`)
  const forms = new SecretForms(
    secrets.map(({ placeholder, value }) => ({ value: Redacted.value(value), shown: placeholder }))
  )
  return { secrets, forms }
})

/** What a request asks of the network: where it says what is allowed, the hosts of its secrets are too. */
export const networkFor = (
  asked: NetworkRequest | undefined,
  held: HeldSecrets | undefined
): NetworkRequest | undefined => {
  if (held === undefined || asked?.allow === undefined) return asked
  const hosts = held.secrets.flatMap((secret) => secret.hosts)
  return { ...asked, allow: [...new Set([...asked.allow, ...hosts])] }
}

const isAllowed = ({ allow, deny, mode }: NetworkPolicy, host: string) => {
  const isWithin = (wide: ReadonlyArray<string>) =>
    targetsOf([host.includes(":") ? host : `${host}:443`]).every((target) =>
      targetsOf(wide).some((each) => coversTarget(each, target))
    )
  return mode !== "off" && !isWithin(deny) && (mode === "open" || isWithin(allow))
}

/** Why a program could not use its secrets, or not without having them; undefined: it can. */
const flawOf = (
  { secrets }: HeldSecrets,
  policy: NetworkPolicy | undefined,
  control: SecretControl | undefined
) => {
  for (const { hosts, name } of secrets) {
    const denied = policy && hosts.find((host) => !isAllowed(policy, host))
    if (denied !== undefined)
      return `secrets.${name}.hosts: expected hosts that the network policy allows, not ${denied}`
  }
  return control === undefined
    ? "secrets: expected none, since the sandboxes here would give them away"
    : control.flawOf(secrets)
}

/** Refuses secrets that could not be used. A flaw begins with the field's name. */
export const check = (
  executionId: ExecutionId,
  held: HeldSecrets | undefined,
  policy: NetworkPolicy | undefined,
  control: SecretControl | undefined
): Either.Either<void, PolicyRefused> => {
  const message = held && flawOf(held, policy, control)
  if (message === undefined) return Either.void
  const [field = "secrets"] = message.split(":")
  return Either.left(new PolicyRefused({ executionId, field, message }))
}

/** What the program finds in its environment. */
export const variablesOf = (held: HeldSecrets | undefined): Record<string, string> =>
  Object.fromEntries((held?.secrets ?? []).map(({ name, placeholder }) => [name, placeholder]))

/** The same, with the secrets masked in every text of it, its names too. */
export const masked = <A>(held: HeldSecrets | undefined, value: A): A =>
  held === undefined ? value : (maskedIn(held.forms, value) as A)

const maskedIn = (forms: SecretForms, value: unknown): unknown => {
  if (typeof value === "string") return forms.inText(value)
  if (Array.isArray(value)) return value.map((each) => maskedIn(forms, each))
  return Predicate.isReadonlyRecord(value)
    ? Records.mapEntries(value, (each, name) => [forms.inText(name), maskedIn(forms, each)])
    : value
}

/** A failure as it may be told of; what caused it may quote a request that had the secrets. */
export const maskedFailure = (held: HeldSecrets | undefined, failure: SandboxFailure): SandboxFailure => {
  if (held === undefined) return failure
  const { code, message, phase, retryAfter, retryable } = failure
  return new SandboxFailure({
    ...{ code, phase, retryable },
    message: held.forms.inText(message),
    ...(retryAfter !== undefined && { retryAfter })
  })
}

/**
 * Tells secrets apart without keeping anything that could be tried out: of a value, what only this key can make. A
 * secret that is named stands for itself.
 */
export const identityOf = (secrets: RequestSecrets, key: Uint8Array) =>
  Records.map(secrets, ({ value, ...rest }) => ({
    ...rest,
    ...(value && { value: createHmac("sha256", key).update(Redacted.value(value)).digest("base64url") })
  }))
