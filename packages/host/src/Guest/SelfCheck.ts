import { Effect, Option, Stream } from "effect"
import { IsolationUnavailable } from "../HostErrors.js"
import * as ImageDirectory from "../Isolation/ImageDirectory.js"
import type { Isolation } from "../Isolation/Isolation.js"
import type { Template } from "../Isolation/Template.js"
import * as GuestSandbox from "./GuestSandbox.js"

const remedies: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /user namespace|uid_map|uid map|namespace|unshare|setresuid/i,
    "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0 (in a container: run it with --privileged)"
  ],
  [/mount|pivot/i, "in a container: run it with --privileged, or with seccomp and AppArmor unconfined"],
  [/seccomp/i, "use a kernel built with CONFIG_SECCOMP_FILTER"]
]

/** Of whatever else: the kernel has no words for a call that it does not know, nor for which limit was in the way. */
const otherwise =
  "see that this kernel is Linux 5.9 or later, and that this process may have more processes, memory and open files " +
  "than sandboxes are given (ulimit -Hu, -Hd, -Hn)"

const unavailable = (reason: string) =>
  new IsolationUnavailable({
    reason: reason.replace(/\s+/g, " "),
    remedy: remedies.find(([pattern]) => pattern.test(reason))?.[1] ?? otherwise
  })

const FACTS = `grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
for file in program/memory.max memory/program/memory.limit_in_bytes; do cat /sys/fs/cgroup/$file 2>/dev/null; done
cat /proc/self/cgroup`
const LARGEST_PAGE = 65536
const expected = ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]

/** It is in the cgroup of programs, and sees that one's limit, of which the kernel takes only whole pages. */
const showsLimit = (said: string, memoryBytes: number) => {
  const [, limit] = /^(\d+)$/m.exec(said) ?? []
  const isInside = /^\d+:(.*,)?(memory|):.*\/program$/m.test(said)
  return isInside && limit !== undefined && Math.abs(Number(limit) - memoryBytes) < LARGEST_PAGE
}

const bare = (madeFrom: Template): GuestSandbox.GuestRequest => ({
  ...{ madeFrom, envVars: {}, network: Option.none(), secrets: new Map(), gpus: [] }
})
const noNetworks = { open: () => Effect.dieMessage("a check has no network") }

/** Makes a sandbox like every other, and checks what a program in it says about its confinement. */
export const run = Effect.fn("SelfCheck.run")(
  function* (isolation: Isolation) {
    const sandbox = yield* GuestSandbox.make(isolation, noNetworks, bare(isolation.plain))
    const { subscriber } = yield* sandbox.start({
      ...{ user: "user", cmd: "/bin/sh", args: ["-c", FACTS], envs: {}, stdin: false }
    })
    const said = yield* Stream.runFold(subscriber.events, "", (text, event) =>
      event._tag === "Data" ? text + event.bytes.toString() : text
    )
    const missing = expected.filter((fact) => !said.includes(fact))
    if (Option.isSome(isolation.cgroups) && !showsLimit(said, isolation.options.memoryBytes))
      return yield* unavailable(`a sandbox does not see the cgroup that holds it: ${said.trim()}`)
    if (missing.length > 0) return yield* unavailable(`a program in a sandbox says: ${said.trim()}`)
  },
  Effect.scoped,
  Effect.catchTags({
    LaunchFailed: (error) => unavailable(error.reason),
    LauncherDied: (error) => unavailable(error.message),
    NoLauncher: (error) => unavailable(error.message),
    NoFreeSlot: (error) => unavailable(error.message),
    RpcRefused: (error) => unavailable(error.message)
  })
)

/** The SDK runs every command with it. */
const SHELL = "/bin/bash"

const checkImage = (isolation: Isolation, { image, template }: Isolation["images"][number]) =>
  Effect.gen(function* () {
    const sandbox = yield* GuestSandbox.make(isolation, noNetworks, bare(template))
    const { process, subscriber } = yield* sandbox.start({
      ...{ user: "user", cmd: SHELL, args: ["-c", ":"], envs: {}, stdin: false }
    })
    yield* Stream.runDrain(subscriber.events)
    return yield* process.ended
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      ImageDirectory.unusable(image, `${SHELL} does not run in it: ${error.message}`)
    )
  )

/** Starts the shell in a sandbox of each image. */
export const runImages = Effect.fn("SelfCheck.runImages")((isolation: Isolation) =>
  Effect.forEach(isolation.images, (each) => checkImage(isolation, each), { concurrency: 4, discard: true })
)
