import type { Redacted } from "effect"

/** A header that is set on each request. */
export interface SecretHeader {
  readonly name: string
  /** The header's value, where `{}` stands for the secret's. */
  readonly form: string
}

/** A secret that one host may have. */
export interface HostSecret {
  readonly name: string
  /** What the program has in the secret's place. */
  readonly placeholder: string
  readonly value: Redacted.Redacted<string>
  /** Absent: the value takes the place of the placeholder in any header that the program sends. */
  readonly header?: SecretHeader
}
