import { rootCertificates, type SecureContext } from "node:tls"
import { CertificateAuthority, type HostSecret, type Intercept, SecretInterceptor } from "@bulkhead/egress"
import { Effect, Option, Ref } from "effect"
import type { SecretsByHost } from "../ControlPlane/SecretRules.js"

/** What programs need so that they trust the gate. */
export interface Trust {
  /** Files to write, by their absolute paths, before any program runs. */
  readonly files: Readonly<Record<string, string>>
  /** What every program finds in its environment. */
  readonly env: Readonly<Record<string, string>>
}

/** Puts the values of a sandbox's secrets where they belong. */
export interface SecretGate {
  readonly trust: Trust
  /** Who serves connections to a name and port. */
  readonly intercept: Intercept
}

const directory = "/tmp/.bulkhead"
/** What is trusted in all, and what is trusted beside the usual. */
const wholeFile = `${directory}/authorities.pem`
const ownFile = `${directory}/authority.pem`

/** Each tells some client where to find the whole of what it trusts. */
const whole = [
  ...["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT"],
  ...["npm_config_cafile", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"]
]
/** Each tells some client what to trust beside the usual. */
const further = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"]

const env = Object.fromEntries([
  ...whole.map((name) => [name, wholeFile]),
  ...further.map((name) => [name, ownFile])
])

const pem = (certificates: ReadonlyArray<string>) => certificates.map((each) => `${each.trim()}\n`).join("")

/** Tells once of each secret and host. */
const makeOnce = Effect.fnUntraced(function* (tell: (secret: string, place: string) => Effect.Effect<void>) {
  const told = yield* Ref.make<ReadonlySet<string>>(new Set())
  return (secret: string, place: string) => {
    const use = `${secret} ${place}`
    return Effect.flatMap(
      Ref.modify(told, (before) => [!before.has(use), new Set([...before, use])]),
      (isFirst) => (isFirst ? tell(secret, place) : Effect.void)
    )
  }
})

/** Makes an authority for one sandbox, which vouches for the hosts of its secrets and nothing else. `trust` is in `trusted` and the usual. */
export const make = Effect.fn("SecretGate.make")(function* (
  secrets: SecretsByHost,
  trusted: ReadonlyArray<string>,
  trust: SecureContext,
  onFirstUse: (secret: string, name: string, port: number) => Effect.Effect<void>
) {
  const authority = yield* CertificateAuthority.make
  const onUse = yield* makeOnce((secret, place) => {
    const [name = "", port] = place.split(":")
    return onFirstUse(secret, name, Number(port))
  })
  const interceptorFor = (name: string, port: number, own: ReadonlyArray<HostSecret>) =>
    SecretInterceptor.make({
      ...{ name, port, authority, trust },
      secrets: own,
      onUse: (secret) => onUse(secret, `${name}:${port}`)
    })
  const interceptors = new Map(
    [...secrets].map(([place, own]) => {
      const [name = "", port] = place.split(":")
      return [place, interceptorFor(name, Number(port), own)]
    })
  )
  return {
    trust: {
      env,
      files: {
        [wholeFile]: pem([...rootCertificates, ...trusted, authority.certificate]),
        [ownFile]: pem([...trusted, authority.certificate])
      }
    },
    intercept: (name, port) => Option.fromNullable(interceptors.get(`${name.toLowerCase()}:${port}`))
  } satisfies SecretGate
})
