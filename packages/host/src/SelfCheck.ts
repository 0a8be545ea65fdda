import { Effect, Stream } from "effect"
import { IsolationUnavailable } from "./HostErrors.js"
import type { Isolation } from "./Isolation.js"
import * as GuestSandbox from "./Sandbox/GuestSandbox.js"

const remedies: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /user namespace|uid_map|uid map|namespace|unshare|setresuid/i,
    "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0 (in a container: run it with --privileged)"
  ],
  [/mount|pivot/i, "in a container: run it with --privileged, or with seccomp and AppArmor unconfined"],
  [/seccomp/i, "use a kernel built with CONFIG_SECCOMP_FILTER"]
]

const unavailable = (reason: string) =>
  new IsolationUnavailable({
    reason: reason.replace(/\s+/g, " "),
    remedy:
      remedies.find(([pattern]) => pattern.test(reason))?.[1] ?? "bring this kernel to Linux 5.9 or later"
  })

const FACTS = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status"
const expected = ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]

/** Makes a sandbox as every other will be, and lets a program in it say how it is confined. */
export const run = Effect.fn("SelfCheck.run")(
  function* (isolation: Isolation) {
    const sandbox = yield* GuestSandbox.make(isolation, {})
    const { subscriber } = yield* sandbox.start({
      ...{ user: "user", cmd: "/bin/sh", args: ["-c", FACTS], envs: {}, stdin: false }
    })
    const said = yield* Stream.runFold(subscriber.events, "", (text, event) =>
      event._tag === "Data" ? text + event.bytes.toString() : text
    )
    const missing = expected.filter((fact) => !said.includes(fact))
    if (missing.length > 0) return yield* unavailable(`a program in a sandbox says: ${said.trim()}`)
  },
  Effect.scoped,
  Effect.catchTags({
    LaunchFailed: (error) => unavailable(error.reason),
    NoFreeSlot: (error) => unavailable(error.message),
    RpcRefused: (error) => unavailable(error.message)
  })
)
