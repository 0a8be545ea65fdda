import { describeGpus, gpuTag } from "@bulkhead/domain"
import { EmbeddedHost, type HostOptions } from "@bulkhead/host"
import { assert, describe, it, layer } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect, Layer } from "effect"
import { connection, descendantsOf, rejection, run, sandbox, until } from "./Fixtures.js"
import { bundled, unprivilegedWith } from "./HostBundle.js"
import { imageDirectory, MANIFEST, programs } from "./ImageTrees.js"
import { connectionTo, startHost } from "./RunningHost.js"
import { standIns } from "./StandInGpus.js"

const isRoot = process.getuid?.() === 0

const system = imageDirectory({
  [MANIFEST]: '{"format": 1}',
  ...programs(["bash", "sh", "cat", "ls", "stat", "printenv"])
})

type HostOf = (options: Partial<HostOptions>) => Layer.Layer<EmbeddedHost, unknown>

const hosts: ReadonlyArray<readonly [what: string, hostOf: HostOf]> = [
  ["A host with stand-in GPUs", EmbeddedHost.layer],
  ["A host with stand-in GPUs that is not root", unprivilegedWith]
]

const wanting = (gpus: string, template = "base") => ({ template, metadata: { [gpuTag]: gpus } })

/** Every device of the driver's in the sandbox, with the numbers by which the kernel knows it. */
const devicesIn = (here: Sandbox) =>
  Effect.map(run(here, "cd /dev; stat -c '%n %t:%T' nvidia* 2>/dev/null; true"), ({ stdout }) =>
    stdout.trim().split("\n").filter(Boolean)
  )

const shared = ["nvidia-uvm 1:9", "nvidiactl 1:9"]

// Only root can make devices that stand in for GPUs.
for (const [what, hostOf] of isRoot ? hosts : []) {
  const host = Layer.unwrapScoped(
    Effect.map(Effect.all({ nvidiaRoot: standIns, small: system }), ({ nvidiaRoot, small }) =>
      hostOf({ nvidiaRoot, images: { small } })
    )
  )

  layer(host, { excludeTestServices: true, timeout: "60 seconds" })(what, (it) => {
    it.scoped("shows a sandbox the GPUs that it was given, and no others", () =>
      Effect.gen(function* () {
        const one = yield* sandbox(wanting("1 NVIDIA L4"))
        const two = yield* sandbox(wanting("2 NVIDIA L4"))
        const other = yield* sandbox(wanting("1 NVIDIA H100 80GB HBM3", "small"))
        assert.deepStrictEqual(yield* devicesIn(one), [
          ...shared.slice(0, 1),
          "nvidia0 1:3",
          ...shared.slice(1)
        ])
        assert.deepStrictEqual(yield* devicesIn(two), [
          "nvidia-uvm 1:9",
          "nvidia1 1:5",
          "nvidia2 1:7",
          "nvidiactl 1:9"
        ])
        assert.deepStrictEqual(yield* devicesIn(other), ["nvidia-uvm 1:9", "nvidia3 1:8", "nvidiactl 1:9"])
        assert.deepStrictEqual(yield* devicesIn(yield* sandbox()), [])
      })
    )

    it.scoped("lets programs use them, and find the driver's library and program", () =>
      Effect.gen(function* () {
        const here = yield* sandbox(wanting("1 NVIDIA L4"))
        assert.strictEqual((yield* run(here, "echo x > /dev/nvidia0 && nvidia-smi")).stdout, "/dev/nvidia0\n")
        const load = `python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1"); print("loaded")'`
        assert.strictEqual((yield* run(here, load)).stdout, "loaded\n")
        const inImage = yield* sandbox(wanting("1 NVIDIA L4", "small"))
        const look = "cat $LD_LIBRARY_PATH/libcuda.so.1 > /dev/null && nvidia-smi"
        assert.strictEqual((yield* run(inImage, look)).stdout, "/dev/nvidia1\n")
        const without = yield* sandbox()
        assert.notStrictEqual((yield* run(without, load)).exitCode, 0)
        assert.strictEqual((yield* run(without, "ls -d /nvidia; printenv LD_LIBRARY_PATH; true")).stdout, "")
      })
    )

    it.scoped("lets nobody in a sandbox make the device of another's GPU", () =>
      Effect.gen(function* () {
        const here = yield* sandbox(wanting("1 NVIDIA L4"))
        const users = hostOf === unprivilegedWith ? ["user"] : ["user", "root"]
        for (const user of users)
          for (const place of ["/dev/nvidia1", "/tmp/nvidia1", "$HOME/nvidia1"]) {
            const { exitCode } = yield* run(here, `mknod ${place} c 1 5 && head -c 1 ${place}`, { user })
            assert.notStrictEqual(exitCode, 0, `${user} made ${place}`)
          }
        assert.notStrictEqual((yield* run(here, "rm -f /dev/nvidia0 && ls /dev/nvidia0")).exitCode, 0)
        assert.notStrictEqual((yield* run(here, "touch /nvidia/lib/x /nvidia/from/0/x")).exitCode, 0)
      })
    )

    it.scoped("gives each to one sandbox at a time, and takes them back when it is gone", () =>
      Effect.gen(function* () {
        const where = yield* connection
        const all = yield* Effect.scoped(
          Effect.gen(function* () {
            const first = yield* sandbox(wanting("2 NVIDIA L4"))
            const { message } = yield* rejection(() =>
              Sandbox.create("base", { ...where, ...wanting("2 NVIDIA L4") })
            )
            assert.include(message, "This host has no 2 NVIDIA L4 free at present")
            return yield* devicesIn(first)
          })
        )
        for (let round = 0; round < 3; round++) {
          const again = yield* Effect.scoped(Effect.flatMap(sandbox(wanting("3 NVIDIA L4")), devicesIn))
          assert.includeMembers(again, all)
          assert.lengthOf(again, 5)
        }
      })
    )

    it.scoped("says what it has to who asks for more, or for what it does not understand", () =>
      Effect.gen(function* () {
        const where = yield* connection
        for (const [wanted, said] of [
          ["4 NVIDIA L4", "this host's GPUs are 3 NVIDIA L4 and 1 NVIDIA H100 80GB HBM3"],
          ["1 NVIDIA T4", "this host's GPUs are"],
          ["0 NVIDIA L4", "expected a count and a kind"],
          ["many", "expected a count and a kind"]
        ] as const) {
          const { message } = yield* rejection(() => Sandbox.create("base", { ...where, ...wanting(wanted) }))
          assert.include(message, said)
        }
      })
    )
  })
}

describe.runIf(isRoot)("GPUs of a sandbox whose launcher dies", () => {
  it.scopedLive("are free again", () =>
    Effect.gen(function* () {
      const host = yield* startHost(yield* bundled, undefined, { nvidiaRoot: yield* standIns })
      const create = Effect.promise(() =>
        Sandbox.create("base", { ...connectionTo(host), ...wanting("3 NVIDIA L4") })
      )
      const before = descendantsOf(host.child.pid ?? 0)
      const lost = yield* create
      const [launcher = 0] = descendantsOf(host.child.pid ?? 0).filter((pid) => !before.includes(pid))
      process.kill(launcher, "SIGKILL")
      yield* until("its sandbox is gone", () => descendantsOf(host.child.pid ?? 0).length === before.length)
      const { message } = yield* rejection(() => lost.commands.run("true"))
      assert.include(message, "launcher")
      const again = yield* create
      assert.lengthOf(yield* devicesIn(again), 5)
    })
  )
})

describe("A machine without NVIDIA's driver", () => {
  it.scopedLive("has no GPUs, and says so", () =>
    Effect.gen(function* () {
      const { gpus } = yield* EmbeddedHost
      assert.strictEqual(describeGpus(gpus), "none")
      const where = yield* connection
      const { message } = yield* rejection(() =>
        Sandbox.create("base", { ...where, ...wanting("1 NVIDIA L4") })
      )
      assert.include(message, "this host's GPUs are none")
    }).pipe(Effect.provide(EmbeddedHost.layer({ nvidiaRoot: "/nowhere" })))
  )
})
