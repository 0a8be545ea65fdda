import { createHmac } from "node:crypto"
import {
  type ExecutionId,
  type ExecutionRequest,
  InvalidRequest,
  type OwnSecret,
  type RequestSecret,
  type RequestSecrets,
  secretHeaderOf,
  type UserId
} from "@bulkhead/domain"
import { SecretForms } from "@bulkhead/masking"
import { Effect, Predicate, Record as Records, Redacted } from "effect"
import { KeptSecrets } from "../KeptSecrets.js"
import { SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import type { SandboxSecret } from "../Sandboxes/SandboxSecret.js"

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
  const forms = new SecretForms(
    secrets.map(({ placeholder, value }) => ({ value: Redacted.value(value), shown: placeholder }))
  )
  return { secrets, forms }
})

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
