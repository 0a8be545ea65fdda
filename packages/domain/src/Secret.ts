import { Schema } from "effect"

/** Most secrets of one request, and hosts of one secret. */
export const mostSecrets = 64
const mostHosts = 16

/** Fewer characters would be masked where they stand for something else. */
const leastCharacters = 8
const mostCharacters = 8192

const headerSafe = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

/** What is wrong with a secret's value; undefined: nothing. */
const flawOfValue = (value: string): string | undefined => {
  if (value.length < leastCharacters || value.length > mostCharacters)
    return `expected ${leastCharacters} to ${mostCharacters} characters`
  return headerSafe.test(value)
    ? undefined
    : "expected printable ASCII characters, without a space at either end"
}

// Its message must never have the value.
const SecretValue = Schema.Redacted(
  Schema.String.pipe(
    Schema.filter((value) => flawOfValue(value) === undefined, {
      message: ({ actual }) => flawOfValue(String(actual)) ?? "",
      jsonSchema: { minLength: leastCharacters, maxLength: mostCharacters }
    })
  )
)

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
const hostForm = new RegExp(`^(${label}(?:\\.${label})*)(?::([0-9]{1,5}))?$`)
const mostNameCharacters = 253
const mostPort = 65_535

const isHost = (text: string) => {
  const [, name = "", port = "443"] = hostForm.exec(text.toLowerCase()) ?? []
  const isName =
    name !== "" && name.length <= mostNameCharacters && /[a-z]/.test(name.split(".").at(-1) ?? "")
  return isName && Number(port) >= 1 && Number(port) <= mostPort
}

/** A host by its name, with a port unless that is 443. */
const SecretHost = Schema.String.pipe(
  Schema.filter(isHost, {
    message: () => "expected a DNS name in ASCII, maybe with a port: api.openai.com, api.example.com:8443",
    jsonSchema: { minLength: 1, maxLength: mostNameCharacters + 6 }
  })
)

const SecretHosts = Schema.Array(SecretHost)
  .annotations({ description: "an array of hosts" })
  .pipe(
    Schema.filter(({ length }) => length >= 1 && length <= mostHosts, {
      message: () => `expected 1 to ${mostHosts} hosts`,
      jsonSchema: { minItems: 1, maxItems: mostHosts }
    })
  )

const headerForm = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}): *([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/
const mostHeaderCharacters = 512

/** What is the connection's own, or says where a request goes or how long it is. */
const ownHeaders = new Set([
  ...["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"],
  ...["keep-alive", "proxy-connection", "accept-encoding", "range", "if-range"]
])

/** Whether a text, a name with its form, is a header that a secret may be sent in. */
export const isSecretHeader = (text: string): boolean => {
  const [, name = "", form = ""] = headerForm.exec(text) ?? []
  return (
    text.length <= mostHeaderCharacters &&
    form.split("{}").length === 2 &&
    !ownHeaders.has(name.toLowerCase())
  )
}

/** Whether a text can be a header's value, or a part of it in the place of a secret's. */
export const isHeaderText = (text: string): boolean =>
  text.length <= mostCharacters + mostHeaderCharacters && headerSafe.test(text)

const SecretHeaderText = Schema.String.pipe(
  Schema.filter(isSecretHeader, {
    message: () => "expected a header with {} in the place of the value: Authorization: Bearer {}",
    jsonSchema: { maxLength: mostHeaderCharacters }
  })
)

/** A header that a secret is sent in. */
export interface SecretHeader {
  readonly name: string
  /** The header's value, where `{}` stands for the secret's. */
  readonly form: string
}

/** The parts of a header that was found good. */
export const secretHeaderOf = (text: string): SecretHeader => {
  const [, name = "", form = ""] = headerForm.exec(text) ?? []
  return { name, form }
}

/** What operators name the secrets that they keep. */
export const SecretName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_.-]{1,64}$/, {
    message: () => "expected 1 to 64 letters, digits or _ . -"
  })
)

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { nullable: true })

const aboutValue = {
  description: `The secret itself: ${leastCharacters} to ${mostCharacters} printable ASCII characters.`
}

const givenFields = {
  value: SecretValue.annotations(aboutValue),
  hosts: SecretHosts.annotations({
    description: `The hosts that may have the value, by their names, each maybe with a port (443 unless told); ${mostHosts} at most.`,
    examples: [["api.openai.com"]]
  }),
  header: SecretHeaderText.annotations({
    description:
      "The header that the value is sent in, set on every request to the hosts, `{}` standing for the value. Without it, the value takes the place of the placeholder in whichever header the program puts that; E2B's sandboxes need it.",
    examples: ["Authorization: Bearer {}"]
  })
}

/** A secret with all that belongs to it, as operators keep them. */
export const OwnSecret = Schema.Struct({
  value: givenFields.value,
  hosts: givenFields.hosts,
  header: optional(givenFields.header)
})
export type OwnSecret = typeof OwnSecret.Type

const SecretFields = Schema.Struct({
  name: optional(SecretName).annotations({
    description: "A secret that the operator keeps for the user. Either this, or `value` and `hosts`."
  }),
  // What is redacted has a description of its own, which says nothing.
  value: optional(givenFields.value).annotations(aboutValue),
  hosts: optional(givenFields.hosts),
  header: optional(givenFields.header)
}).annotations({ description: "a JSON object" })

const flawOfFields = ({ header, hosts, name, value }: typeof SecretFields.Type) => {
  const unexpected = "expected none, since the operator keeps what belongs to the name"
  if (name !== undefined) {
    const [other] = Object.entries({ value, hosts, header }).filter(([, given]) => given !== undefined)
    return other && { path: [other[0]], message: unexpected }
  }
  if (value === undefined)
    return { path: ["value"], message: "is missing: expected the value, or a name instead" }
  return hosts === undefined
    ? { path: ["hosts"], message: "is missing: expected the hosts that may have the value" }
    : undefined
}

/** A secret that a request gives or names. */
export const RequestSecret = SecretFields.pipe(Schema.filter(flawOfFields))
export type RequestSecret = typeof RequestSecret.Type

const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

const VariableName = Schema.String.pipe(
  Schema.filter((name) => variableName.test(name) && name !== "__proto__", {
    message: () => "expected a name of letters, digits and _ that does not begin with a digit"
  })
)

/** By the names of the variables in which programs find their placeholders. */
export const RequestSecrets = Schema.Record({ key: VariableName, value: RequestSecret }).annotations({
  description: "an object of secrets"
})
export type RequestSecrets = typeof RequestSecrets.Type

/** The same, of secrets that the operator keeps. */
export const NamedSecrets = Schema.Record({
  key: VariableName,
  value: Schema.Struct({
    name: SecretName.annotations({ description: "The name that the operator gave the secret." })
  })
})
