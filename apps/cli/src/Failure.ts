import { Harmless } from "@bulkhead/domain"
import { Data, Predicate } from "effect"

/** Why a command cannot do what it was asked for, in words that say what to do about it. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}

/** The command ends with this code, and has said what is to be said. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {}

/** Of what Bulkhead itself failed at, whatever the command; no program of the usual ones ends like this. */
export const ownFailure = 125

const innermost = (error: unknown): unknown =>
  Predicate.hasProperty(error, "cause") && error.cause !== undefined ? innermost(error.cause) : error

const codeOf = (error: unknown) => {
  const inner = innermost(error)
  return Predicate.hasProperty(inner, "code") ? String(inner.code) : ""
}

const unreachable = (url: string, error: unknown) => {
  const code = codeOf(error)
  if (code === "ECONNREFUSED")
    return `no server answers at ${url}: start one with 'bulkhead serve', or name another by --server or BULKHEAD_URL`
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `no address is known for the host of ${url}: correct --server or BULKHEAD_URL`
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code))
    return `${url} does not speak TLS: is it http:// instead of https://?`
  if (/CERT|SSL|TLS|SIGNATURE|SELF_SIGNED/.test(code))
    return `the certificate of ${url} is not to be trusted (${code}): for an authority of your own, set NODE_EXTRA_CA_CERTS to its file`
  if (code === "ECONNRESET" || code === "UND_ERR_SOCKET" || code === "EPIPE")
    return `${url} closed the connection: is it a server of Bulkhead, and https:// rather than http://?`
  return `${url} cannot be reached (${code === "" ? "no answer" : code}): is the address right, and the server up?`
}

const wantsToken = (message: string) =>
  `${message}: set BULKHEAD_TOKEN to the operator's token or your key, or name a file that holds it by --token-file`

const wantsOperatorsToken =
  "this takes the operator's token, and a caller's key is not enough: set BULKHEAD_TOKEN to it, or name a file that holds it by --token-file"

interface Refused {
  readonly status: number
  readonly message: string
}

const isRefused = (error: unknown): error is Refused =>
  Predicate.isTagged(error, "ExecutionRefused") && Predicate.hasProperty(error, "status")

const wordsOf = (error: unknown, url: string): string => {
  if (Predicate.isTagged(error, "RequestError")) return unreachable(url, error)
  if (Predicate.isTagged(error, "ResponseError") || Predicate.isTagged(error, "ParseError"))
    return `the answer of ${url} is none of Bulkhead: is the address right, and the server of this version?`
  const message =
    Predicate.hasProperty(error, "message") && error.message !== "" ? String(error.message) : String(error)
  if (Predicate.isTagged(error, "Unauthorized") || (isRefused(error) && error.status === 401))
    return wantsToken(message)
  return message
}

/** What any error of a client means to who gave the command. */
export const of =
  (url: string) =>
  (error: unknown): Failure =>
    error instanceof Failure ? error : new Failure({ message: Harmless.line(wordsOf(error, url)) })

/** The same, of what is for the operator alone. */
export const ofOperator =
  (url: string) =>
  (error: unknown): Failure =>
    Predicate.isTagged(error, "Unauthorized") ? new Failure({ message: wantsOperatorsToken }) : of(url)(error)
