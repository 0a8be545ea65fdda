import type { SandboxSecret } from "@bulkhead/sandbox"
import type { SandboxNetworkRule, SandboxNetworkTransform } from "e2b"
import { Redacted } from "effect"
import type { NetworkKind } from "./NetworkWire.js"

/** What the embedded host takes beside E2B's own. */
interface Transform extends SandboxNetworkTransform {
  readonly secrets?: ReadonlyArray<object>
}

const flawOnE2B = ({ header, hosts, name }: SandboxSecret): string | undefined => {
  if (header === undefined)
    return `secrets.${name}.header: expected one, since E2B's sandboxes only set whole headers`
  return hosts.some((host) => host.includes(":"))
    ? `secrets.${name}.hosts: expected hosts without a port, since E2B's rules have none`
    : undefined
}

/** Why such a provider's sandboxes cannot use secrets without giving them away; undefined: they can. */
export const flawOf =
  (kind: NetworkKind) =>
  (secrets: ReadonlyArray<SandboxSecret>): string | undefined => {
    if (kind === "none") return "secrets: expected none, since the sandboxes here have no network"
    if (kind === "embedded") return undefined
    return secrets.map(flawOnE2B).find((flaw) => flaw !== undefined)
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
  kind: NetworkKind,
  secrets: ReadonlyArray<SandboxSecret>
): Record<string, Array<SandboxNetworkRule>> => {
  const rules: Record<string, Array<SandboxNetworkRule>> = {}
  for (const secret of secrets) {
    const transform = kind === "e2b" ? headersOf(secret) : placeholderOf(secret)
    for (const host of secret.hosts) rules[host] = [...(rules[host] ?? []), { transform }]
  }
  return rules
}
