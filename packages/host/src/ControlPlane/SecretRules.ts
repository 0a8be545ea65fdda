import { isHeaderText, isSecretHeader } from "@bulkhead/domain"
import type { HostSecret } from "@bulkhead/egress"
import { Effect, Either, type Redacted, Schema } from "effect"
import { RequestRefused } from "../HostErrors.js"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/** It is written into headers, which it must not end. */
const Value = Schema.Redacted(Schema.String.pipe(Schema.filter(isHeaderText)))

const Header = Schema.Struct({ name: Schema.String, form: Schema.String }).pipe(
  Schema.filter(({ form, name }) => isSecretHeader(`${name}: ${form}`))
)

/** Headers that are set whole. */
const WholeHeaders = Schema.Record({ key: Schema.String, value: Value }).pipe(
  Schema.filter((headers) => Object.keys(headers).every((name) => isSecretHeader(`${name}: {}`)))
)

/** A secret of which programs have a placeholder: this host's own, beside what E2B has. */
const PlaceholderSecret = Schema.Struct({
  name: Schema.String,
  placeholder: Schema.String,
  value: Value,
  header: optional(Header)
})

const Transform = Schema.Struct({
  headers: optional(WholeHeaders),
  secrets: optional(Schema.Array(PlaceholderSecret))
})

const Rules = Schema.Record({
  key: Schema.String,
  value: Schema.Array(Schema.Struct({ transform: optional(Transform) }))
})

/** The secrets of each host, by its name in lower case and its port: `api.example.com:443`. */
export type SecretsByHost = ReadonlyMap<string, ReadonlyArray<HostSecret>>

const decode = Schema.decodeUnknownEither(Rules)

const hostForm = /^[a-z0-9.-]{1,253}(?::[0-9]{1,5})?$/

/** Nobody has seen it, so that nothing is replaced. */
const noPlaceholder = Effect.sync(() => `hidden_${globalThis.crypto.randomUUID().replaceAll("-", "")}`)

/** A header that is set whole, as E2B's transforms have it, is a secret too. */
const ofHeader = ([name, value]: readonly [string, Redacted.Redacted<string>]) =>
  Effect.map(
    noPlaceholder,
    (placeholder): HostSecret => ({ name, placeholder, value, header: { name, form: "{}" } })
  )

const ofTransform = ({ headers, secrets }: typeof Transform.Type) =>
  Effect.map(Effect.forEach(Object.entries(headers ?? {}), ofHeader), (whole) => [
    ...whole,
    ...(secrets ?? []).map(({ header, ...secret }): HostSecret => ({ ...secret, ...(header && { header }) }))
  ])

const refuse = (message: string) => new RequestRefused({ status: 400, message: `network.rules: ${message}` })

/** Reads the rules of a request for a sandbox. What is wrong is said without what was sent, which has secrets. */
export const read = Effect.fnUntraced(function* (rules: unknown) {
  const decoded = decode(rules ?? {})
  if (Either.isLeft(decoded))
    return yield* refuse(
      "expected lists of rules with a transform of headers or secrets, by host; names and values of headers as HTTP has them"
    )
  const found = new Map<string, ReadonlyArray<HostSecret>>()
  for (const [key, list] of Object.entries(decoded.right)) {
    const host = key.toLowerCase()
    if (!hostForm.test(host)) return yield* refuse("expected names of hosts, each maybe with a port")
    const secrets = yield* Effect.forEach(list, ({ transform }) => ofTransform(transform ?? {}))
    found.set(host.includes(":") ? host : `${host}:443`, secrets.flat())
  }
  return found as SecretsByHost
})
