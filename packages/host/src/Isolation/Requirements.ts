import { Guest } from "@bulkhead/guest"
import { Effect, Option } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as ThisProcess from "../ThisProcess.js"
import * as Bubblewrap from "./Bubblewrap.js"
import * as Capabilities from "./Capabilities.js"

const asRoot = (command: string) => (ThisProcess.isRoot ? command : `sudo ${command}`)

const findArchitecture = Effect.mapError(
  Effect.fromNullable(Guest.architectureOf(ThisProcess.architecture)),
  () =>
    new IsolationUnavailable({
      reason: `there is no guest program for ${ThisProcess.architecture}`,
      remedy: "run on x64 or arm64"
    })
)

const findBwrap = Effect.catchTag(
  Bubblewrap.find(),
  "NoSuchElementException",
  () =>
    new IsolationUnavailable({
      reason: "bubblewrap (bwrap) is not installed",
      remedy: asRoot("apt-get install -y bubblewrap")
    })
)

/**
 * What must be there before a sandbox can be tried: a known processor, and the capabilities of a host that is root, or
 * bubblewrap for another.
 */
export const check = Effect.fn("Requirements.check")(function* (hasNetwork: boolean) {
  const architecture = yield* findArchitecture
  if (ThisProcess.isRoot) yield* Capabilities.check(hasNetwork)
  const bwrap = ThisProcess.isRoot ? Option.none<string>() : Option.some(yield* findBwrap)
  return { architecture, bwrap }
})
