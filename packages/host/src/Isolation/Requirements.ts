import { FileSystem } from "@effect/platform"
import { Effect } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as ThisProcess from "../ThisProcess.js"
import * as Bubblewrap from "./Bubblewrap.js"
import type { Architecture } from "./Syscalls.js"

const asRoot = (command: string) => (ThisProcess.isRoot ? command : `sudo ${command}`)

const findArchitecture = Effect.suspend(() =>
  ThisProcess.architecture === "x64" || ThisProcess.architecture === "arm64"
    ? Effect.succeed<Architecture>(ThisProcess.architecture)
    : new IsolationUnavailable({
        reason: `no system call filter is known for ${ThisProcess.architecture}`,
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

const checkPerl = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists("/usr/bin/perl")) return
  return yield* new IsolationUnavailable({
    reason: "/usr/bin/perl is missing",
    remedy: asRoot("apt-get install -y perl-base")
  })
})

/** What this machine must have before a sandbox can be tried: a known processor, bubblewrap, and Perl. */
export const check = Effect.fn("Requirements.check")(function* () {
  const architecture = yield* findArchitecture
  const bwrap = yield* findBwrap
  yield* checkPerl
  return { architecture, bwrap }
})
