import { mostTargets, type NetworkRequest, parseTarget } from "@bulkhead/domain"
import { NetworkBound } from "@bulkhead/sandbox"
import { Array as Arr, Either } from "effect"
import type { Format } from "./Setting.js"

const { boundedTargets: bounded, parseTargetWord: readTarget } = NetworkBound

/** What programs may connect to, or may not. */
export const targets: Format<ReadonlyArray<string>> = {
  takes: NetworkBound.takesTargets,
  parse: NetworkBound.parseTargets,
  isSecret: false
}

const isName = (text: string) =>
  Either.match(parseTarget(text), { onLeft: () => false, onRight: ({ _tag }) => _tag === "Name" })

/** Addresses inside. */
export const addresses: Format<ReadonlyArray<string>> = {
  takes: `up to ${mostTargets} addresses or networks (10.1.0.0/16, 127.0.0.1:5432), separated by commas`,
  parse: (text) =>
    Either.filterOrLeft(
      targets.parse(text),
      (all) => !all.some(isName),
      (all) => `got the name '${all.find(isName)}'`
    ),
  isSecret: false
}

const modes = ["off", "filtered", "open"] as const

/** A mode first or none, then what is allowed, and with `-` what is denied. */
const readRequest = (words: ReadonlyArray<string>): Either.Either<NetworkRequest, string> => {
  const mode = modes.find((each) => each === words[0])
  const [allowed, denied] = Arr.partition(mode === undefined ? words : words.slice(1), (word) =>
    word.startsWith("-")
  )
  return Either.map(
    Either.all([
      Either.flatMap(Either.all(allowed.map(readTarget)), bounded),
      Either.flatMap(Either.all(denied.map((word) => readTarget(word.slice(1)))), bounded)
    ]),
    ([allow, deny]) => ({
      ...(mode !== undefined && { mode }),
      ...(allow.length > 0 && { allow }),
      ...(deny.length > 0 && { deny })
    })
  )
}

const readUser = (part: string) => {
  const [user = "", ...words] = part.split(/\s+/)
  if (!/^[\w.@:+=,-]{1,128}$/.test(user)) return Either.left(`got the user '${user.slice(0, 40)}'`)
  if (words.length === 0) return Either.left(`got no policy for '${user}'`)
  return Either.map(readRequest(words), (request) => [user, request] as const)
}

/** What single users get: `ann pypi.org -b.pypi.org; bob off`. */
export const userPolicies: Format<ReadonlyMap<string, NetworkRequest>> = {
  takes:
    "'user policy' pairs separated by ';', each policy 'off', 'open' or what is allowed, with '-' what is denied",
  parse: (text) =>
    Either.map(
      Either.all(
        text
          .split(";")
          .map((part) => part.trim())
          .filter((part) => part !== "")
          .map(readUser)
      ),
      (pairs) => new Map(pairs)
    ),
  isSecret: false
}
