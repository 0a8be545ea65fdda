import { Guest } from "@bulkhead/guest"
import { Limits, SandboxService, SandboxSupply, Toolchain } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const { failure, MockSandboxes } = MockSandboxProvider

const finding = (output: string) => ({ toolchain: MockSandboxProvider.printing(output) })

const toolchain = (behaviour: Partial<MockSandboxProvider.MockBehaviour>) =>
  Toolchain.layer.pipe(
    Layer.provide(SandboxSupply.layer),
    Layer.provide(Limits.layer()),
    Layer.provideMerge(MockSandboxProvider.layer(behaviour))
  )

const debian =
  "python3 Python 3.11.2\nnode v20.20.2\nbash GNU bash, version 5.2.15(1)-release\nmachine x86_64\n"
const runsThere = "guest in /tmp\n"

describe("Toolchain", () => {
  it.effect("finds what the sandbox has, once", () =>
    Effect.gen(function* () {
      const { facts } = yield* Toolchain
      const { runtimes: found, supervisor } = yield* facts
      yield* facts
      assert.include(supervisor, { _tag: "Sent", user: "root", directory: "/tmp" })
      assert.deepStrictEqual(
        found.map(({ language, version }) => [language, version]),
        [
          ["python", "python 3.11.2"],
          ["javascript", "node 20.20.2"],
          ["typescript", "node 20.20.2"],
          ["bash", "bash 5.2.15"]
        ]
      )
      const mock = yield* MockSandboxes
      assert.strictEqual((yield* mock.created).length, 1)
      assert.strictEqual(yield* mock.alive, 0)
    }).pipe(Effect.provide(toolchain(finding(debian + runsThere))))
  )

  for (const [tools, command] of [
    ["node v22.18.0", "node /tmp/.bulkhead-typescript/run.cjs main.ts"],
    ["node v20.6.0", "node /tmp/.bulkhead-typescript/run.cjs main.ts"],
    ["node v20.1.0\ndeno deno 2.1.4 (stable)", "deno run --allow-all --quiet main.ts"],
    ["bun 1.1.38", "bun run main.ts"]
  ] as const) {
    it.effect(`runs TypeScript with ${tools.split("\n").at(-1)}`, () =>
      Effect.gen(function* () {
        const { runtimes: found } = yield* (yield* Toolchain).facts
        assert.strictEqual(found.find(({ language }) => language === "typescript")?.command, command)
      }).pipe(Effect.provide(toolchain(finding(tools))))
    )
  }

  const installed = `guest at ${Guest.places.x64}\n`

  for (const [what, output, supervisor] of [
    [
      "the one in the image, where it is just this one",
      debian + installed,
      { _tag: "Installed", user: "root" }
    ],
    [
      "the one that is sent along, where the image has another",
      debian + installed.replace(/.\n$/, "x\n") + runsThere,
      { _tag: "Sent", user: "root", directory: "/tmp" }
    ],
    [
      "one in the home, where nothing can be executed in /tmp",
      `${debian}guest in $HOME\n`,
      { _tag: "Sent", user: "root", directory: "$HOME" }
    ],
    ["none where nothing can be executed", debian, { _tag: "Absent" }],
    [
      "none for a machine that there is none for",
      `${debian.replace("x86_64", "riscv64")}${runsThere}`,
      { _tag: "Absent" }
    ]
  ] as const)
    it.effect(`takes as its supervisor ${what}`, () =>
      Effect.gen(function* () {
        assert.deepInclude((yield* (yield* Toolchain).facts).supervisor, supervisor)
      }).pipe(Effect.provide(toolchain(finding(output))))
    )

  it.effect("sends the program for the sandbox's machine", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* (yield* Toolchain).facts
      assert.deepInclude(supervisor, { _tag: "Sent", packed: yield* Guest.packed("arm64") })
    }).pipe(Effect.provide(toolchain(finding(debian.replace("x86_64", "aarch64") + runsThere))))
  )

  it.effect("runs the one in the image as the user, where there is no root", () =>
    Effect.gen(function* () {
      assert.include((yield* (yield* Toolchain).facts).supervisor, { _tag: "Installed", user: "user" })
    }).pipe(
      Effect.provide(
        toolchain({
          toolchain: (process) =>
            process.command.user === "root"
              ? failure("INTERNAL_ERROR", "start", false)
              : Effect.as(process.stdout(debian + installed), { exitCode: 0 })
        })
      )
    )
  )

  it.effect("does not remember a failure", () =>
    Effect.gen(function* () {
      const { facts } = yield* Toolchain
      const mock = yield* MockSandboxes
      yield* Effect.flip(facts)
      yield* mock.behave({ create: Effect.void })
      assert.strictEqual((yield* facts).runtimes.length, 4)
    }).pipe(Effect.provide(toolchain({ ...finding(debian), create: failure("ECONNREFUSED", "create") })))
  )

  it.effect("is looked up by the whole service the first time it is needed", () =>
    Effect.gen(function* () {
      const result = yield* (yield* SandboxService).execute({ code: "1", language: "bash" })
      assert.strictEqual(result.verdict, "Completed")
      assert.strictEqual((yield* (yield* MockSandboxes).created).length, 2)
    }).pipe(
      Effect.provide(
        SandboxService.layer().pipe(Layer.provideMerge(MockSandboxProvider.layer(finding(debian))))
      )
    )
  )
})
