import { cut, type NetworkPolicy, type Verdict } from "@bulkhead/domain"
import { describePolicy } from "../NetworkRules.js"

interface About {
  readonly verdict: Verdict
  readonly stderr: string
  readonly network?: NetworkPolicy
  readonly denied: ReadonlyArray<string>
}

/** What programs say when there is no way to what they ask for. */
const wordsOfNoNetwork =
  /Temporary failure in name resolution|Name or service not known|Could not resolve host|getaddrinfo|EAI_AGAIN|ENOTFOUND|ENETUNREACH|Network is unreachable|NameResolutionError|unable to resolve host|network policy:/i

/** Where what a program says at its end is to be found. */
const lastWords = 8192

const mostNamed = 3
const mostCharacters = 160

const named = (denied: ReadonlyArray<string>) => {
  const others = denied.length - mostNamed
  return cut(
    [...denied.slice(0, mostNamed), ...(others > 0 ? ["and others"] : [])].join(", "),
    mostCharacters
  )
}

/** What the program was refused of the network, or that it has failed for want of one. */
export const of = ({ denied, network, stderr, verdict }: About): ReadonlyArray<string> => {
  if (network === undefined) return []
  const policy = cut(describePolicy(network), mostCharacters)
  if (denied.length > 0) return [`The network policy refused ${named(denied)}. In force: ${policy}.`]
  // A text that a program merely prints tells nothing.
  const hasFailed = verdict === "NonZeroExit" || verdict === "Signalled"
  if (network.mode === "open" || !hasFailed || !wordsOfNoNetwork.test(stderr.slice(-lastWords))) return []
  return [
    `By its last words the program found no way into the network. The network policy in force: ${policy}.`
  ]
}
