import { E2BConfig, E2BSandboxProvider } from "@bulkhead/e2b"
import {
  Admission,
  GuestProgram,
  IdempotencyKeys,
  Limits,
  MemoryExecutionStore,
  SandboxService,
  SandboxSupply,
  Toolchain
} from "@bulkhead/sandbox"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"

const bash = { language: "bash", version: "bash 5", file: "main.sh", command: "bash main.sh" } as const

/** The service on real sandboxes, as it is where nothing of ours can be executed. */
const withoutSupervisor = SandboxService.layerBare.pipe(
  Layer.provide(
    Layer.mergeAll(
      Admission.layer,
      SandboxSupply.layer,
      MemoryExecutionStore.layer(),
      IdempotencyKeys.layerMemory()
    )
  ),
  Layer.provide(Limits.layer({ maxDiskMB: 1, maxProcesses: 16, killGracePeriod: 1 })),
  Layer.provide(
    Toolchain.layerTest({
      supervisor: GuestProgram.Absent(),
      size: { vcpus: 2, memoryMB: 512 },
      runtimes: [bash]
    })
  ),
  Layer.provide(Layer.unwrapEffect(Effect.map(E2BConfig, E2BSandboxProvider.layer))),
  Layer.provide(EmbeddedE2B.layer)
)

const run = (code: string, timeout = 20) =>
  Effect.flatMap(SandboxService, ({ execute }) => execute({ code, language: "bash", timeout }))

layer(withoutSupervisor, { timeout: "30 seconds", excludeTestServices: true })(
  "without a supervisor",
  (it) => {
    it.effect("a program runs, and the receipt says who enforces what", () =>
      Effect.gen(function* () {
        const result = yield* run("echo hello")
        assert.include(result, { verdict: "Completed", stdout: "hello\n" })
        assert.include(result.receipt?.enforcement, { wallTime: "service", fileSize: "rlimit" })
      })
    )

    it.effect("a program gets its input and its arguments, and the shell makes nothing of them", () =>
      Effect.gen(function* () {
        const { execute } = yield* SandboxService
        const args = ["a b", "", "'; echo broken; '", '"$HOME" `id` %41', "one\ntwo\\n", "-é*"]
        const { stderr, stdout } = yield* execute({
          code: `printf '%s|' "$@"; base64; ls -A`,
          language: "bash",
          args,
          stdin: Buffer.from([0, 255, 10, 13]).toString("base64"),
          stdinEncoding: "base64"
        })
        const input = Buffer.from([0, 255, 10, 13]).toString("base64")
        assert.strictEqual(stdout, `${args.join("|")}|${input}\nmain.sh\n`, stderr)
        assert.strictEqual((yield* run("cat; echo $#")).stdout, "0\n")
      })
    )

    it.effect("the shell's own limits hold", () =>
      Effect.gen(function* () {
        const { stdout } = yield* run("ulimit -c; ulimit -t; ulimit -f; ulimit -u")
        assert.strictEqual(stdout, "0\n900\n1024\n16\n")
        const { signal, stderr } = yield* run("exec head -c 3000000 /dev/zero > large")
        assert.strictEqual(signal, "SIGXFSZ", stderr)
      })
    )

    it.effect("the service's wall holds for the whole tree", () =>
      Effect.gen(function* () {
        const result = yield* run("trap '' TERM; (setsid sleep 71 &) ; echo begun; sleep 72; sleep 73", 1)
        assert.include(result, { verdict: "TimeLimitExceeded", stdout: "begun\n" })
        assert.deepStrictEqual(
          result.receipt?.signals.map(({ signal }) => signal),
          ["SIGTERM", "SIGKILL"]
        )
        assert.deepInclude(result.receipt, { survivors: "unknown", sandboxDestroyed: true })
      })
    )
  }
)
