import type { SandboxSecret } from "@bulkhead/sandbox"
import type { SandboxNetworkRule, SandboxNetworkTransform } from "e2b"
import { Redacted } from "effect"

/** How an endpoint's sandboxes use secrets: E2B's set headers, the embedded host's replace placeholders too. */
export type SecretUse = "headers" | "placeholders"

/** What the embedded host takes beside E2B's own. */
interface Transform extends SandboxNetworkTransform {
  readonly secrets?: ReadonlyArray<object>
}

/** Why these sandboxes cannot use a secret without giving it away; undefined: they can. */
export const flawOf =
  (use: SecretUse) =>
  (secrets: ReadonlyArray<SandboxSecret>): string | undefined => {
    if (use === "placeholders") return undefined
    for (const { header, hosts, name } of secrets) {
      if (header === undefined)
        return `secrets.${name}.header: expected one, since E2B's sandboxes only set whole headers`
      if (hosts.some((host) => host.includes(":")))
        return `secrets.${name}.hosts: expected hosts without a port, since E2B's rules have none`
    }
    return undefined
  }

const headersOf = ({ header, value }: SandboxSecret): Transform =>
  header === undefined
    ? {}
    : { headers: { [header.name]: header.form.replaceAll("{}", () => Redacted.value(value)) } }

const placeholderOf = ({ header, name, placeholder, value }: SandboxSecret): Transform => ({
  secrets: [{ name, placeholder, value: Redacted.value(value), ...(header && { header }) }]
})

/** What the SDK is given of secrets, by their hosts. */
export const rulesOf = (
  use: SecretUse,
  secrets: ReadonlyArray<SandboxSecret>
): Record<string, Array<SandboxNetworkRule>> => {
  const rules: Record<string, Array<SandboxNetworkRule>> = {}
  for (const secret of secrets) {
    const transform = use === "headers" ? headersOf(secret) : placeholderOf(secret)
    for (const host of secret.hosts) rules[host] = [...(rules[host] ?? []), { transform }]
  }
  return rules
}
