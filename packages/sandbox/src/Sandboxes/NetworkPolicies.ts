import {
  type ExecutionId,
  type NetworkPolicy,
  type NetworkRequest,
  noNetwork,
  PolicyRefused,
  type UserId
} from "@bulkhead/domain"
import { type Context, Either } from "effect"
import { type NetworkFlaw, type NetworkRules, narrow } from "../NetworkRules.js"
import type { NetworkControl } from "./SandboxProvider.js"

/** Whose policy is asked for, and what they ask. */
export interface NetworkAsker {
  readonly executionId: ExecutionId
  readonly userId: UserId
  readonly network?: NetworkRequest | undefined
}

/** What programs are allowed of the network, where the provider can hold them to it. */
export interface NetworkPolicies {
  /** What a program gets whose user and request say nothing. Absent: the provider holds sandboxes to no policy. */
  readonly usual?: NetworkPolicy
  /** Of sandboxes in which no program of a caller's runs. Absent: the provider holds sandboxes to no policy. */
  readonly closed?: NetworkPolicy
  /** What an execution gets. Left: it asks for more than it may, or for what the provider cannot do. */
  readonly of: (asker: NetworkAsker) => Either.Either<NetworkPolicy | undefined, PolicyRefused>
}

const refusal = ({ executionId }: NetworkAsker, { field, message }: NetworkFlaw) =>
  new PolicyRefused({ executionId, field: `network.${field}`, message: `network.${field}: ${message}` })

const cannot = ({ executionId }: NetworkAsker, message: string) =>
  new PolicyRefused({ executionId, field: "network", message: `network: ${message}` })

/** Where the provider knows no policies, nobody can have one. */
const none: NetworkPolicies = {
  of: (asker) =>
    asker.network === undefined
      ? Either.right(undefined)
      : Either.left(cannot(asker, "expected none, since the sandboxes here hold to no policy"))
}

/** What the operator's rules and the provider make of what is asked for. */
export const make = (
  control: NetworkControl | undefined,
  rules: Context.Tag.Service<NetworkRules>
): NetworkPolicies => {
  if (control === undefined) return none
  const usual = rules.bound ?? { mode: control.defaultMode, allow: [], deny: [] }
  return {
    usual,
    closed: noNetwork,
    of: (asker) =>
      narrow(usual, rules.ofUsers.get(asker.userId) ?? {}).pipe(
        Either.flatMap((own) => narrow(own, asker.network ?? {})),
        Either.mapLeft((flaw) => refusal(asker, flaw)),
        Either.flatMap((policy) => {
          const flaw = control.flawOf(policy)
          return flaw === undefined ? Either.right(policy) : Either.left(cannot(asker, flaw))
        })
      )
  }
}
