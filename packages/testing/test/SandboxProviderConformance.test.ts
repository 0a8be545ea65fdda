import { imageManifestPath } from "@bulkhead/domain"
import { CommandEvent, Sandbox, type SandboxFailure, SandboxProvider } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Case, SandboxProviderConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Duration, Effect, Layer, Logger, LogLevel, Mailbox, Record, Stream } from "effect"
import * as MockShell from "./MockShell.js"

const { lines } = SandboxProviderConformance
const options = { lifetimes: false, template: { name: "data", file: imageManifestPath } }
const mock = MockSandboxProvider.layer({ program: MockShell.program, templates: { data: '{"format":1}' } })

SandboxProviderConformance.suite("MockSandboxProvider", mock, options)

const casesLike = (promise: RegExp) =>
  SandboxProviderConformance.cases(options).filter((it) => promise.test(it.promise))

type Provider = Context.Tag.Service<SandboxProvider>
type Inside = Context.Tag.Service<Sandbox>

const changed = (change: (provider: Provider) => Provider) =>
  Layer.effect(SandboxProvider, Effect.map(SandboxProvider, change)).pipe(Layer.provide(mock))

/** The mock, whose sandboxes are changed. */
const inside = (change: (sandbox: Inside) => Partial<Inside>) =>
  changed((provider) => ({
    ...provider,
    create: (asked) => Effect.map(provider.create(asked), (it) => Sandbox.of({ ...it, ...change(it) }))
  }))

/** Read in pieces of 65,537 bytes, each by itself. */
const cut = (text: string) => {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / 65_537) }, (_, index) =>
    bytes.subarray(index * 65_537, (index + 1) * 65_537).toString()
  )
  return pieces.join("")
}

const isOutput = CommandEvent.$is("Output")

type Events = Stream.Stream<CommandEvent, SandboxFailure>

/** Runs commands, and tells something else of them. */
const retelling =
  (retell: (events: Events, sandbox: Inside) => Events) =>
  (sandbox: Inside): Partial<Inside> => ({
    run: (command) => Mailbox.fromStream(retell(Sandbox.events(sandbox, command), sandbox))
  })

describe("the suite finds a provider out", () => {
  const rows: ReadonlyArray<readonly [string, Layer.Layer<SandboxProvider>, RegExp]> = [
    [
      "that does not know its size",
      inside(() => ({ size: Effect.succeed({ vcpus: 0, memoryMB: 0 }) })),
      /size is what/
    ],
    [
      "that makes the usual sandbox whatever is asked for",
      changed((provider) => ({
        ...provider,
        create: ({ template: _, ...asked }) => provider.create(asked)
      })),
      /template that is/
    ],
    [
      "that writes nothing of what may lie on disk",
      inside(({ write }) => ({
        write: (files) => write(files.filter(({ content }) => !(content instanceof Blob)))
      })),
      /write takes a Blob/
    ],
    [
      "that takes a tilde for the home",
      inside(({ write }) => ({
        write: (files) => write(files.map((file) => ({ ...file, path: file.path.replace(/^~\//, "") })))
      })),
      /every name as it is/
    ],
    [
      "that cuts variables at the end of a line",
      inside(({ run }) => ({
        run: (command) =>
          run({ ...command, env: Record.map(command.env, (value) => value.split("\n")[0] ?? "") })
      })),
      /environment on as it is/
    ],
    [
      "whose signals reach leaders only",
      inside(({ run }) => ({
        run: (command) => (command.line === lines.looks ? Effect.never : run(command))
      })),
      /a session of its own/
    ],
    [
      "whose signals reach root",
      inside(({ run }) => ({
        run: (command) => run(command.line === lines.waits ? { ...command, user: "user" } : command)
      })),
      /leaves what runs as root/
    ],
    [
      "that makes no directories",
      inside(({ write }) => ({
        write: (files) => write(files.map((file) => ({ ...file, path: file.path.split("/").at(-1) ?? "" })))
      })),
      /where commands find them/
    ],
    [
      "that keeps the first of two files",
      inside(({ read, write }) => ({
        write: (files) =>
          Effect.flatMap(
            Effect.filter(files, ({ path }) => Effect.isFailure(Stream.runDrain(read(path)))),
            write
          )
      })),
      /in the place of the one before/
    ],
    [
      "that takes the end of a sandbox for the end of its commands",
      inside(
        retelling(Stream.catchAll(() => Stream.make(CommandEvent.Ended({ exit: { signal: "SIGKILL" } }))))
      ),
      /ends what runs/
    ],
    [
      "that loses output",
      inside(retelling(Stream.filter((event) => !isOutput(event) || event.text !== "err\n"))),
      /of the output, and of the end last/
    ],
    [
      "that loses the middle of a large output",
      inside(retelling(Stream.filter((event) => !isOutput(event) || !event.text.startsWith("100001\n")))),
      /every byte of a large output/
    ],
    [
      "that cuts characters",
      inside(
        retelling(
          Stream.map((event) =>
            isOutput(event) ? CommandEvent.Output({ ...event, text: cut(event.text) }) : event
          )
        )
      ),
      /no character in two/
    ],
    [
      "whose user has another name",
      inside(
        retelling(
          Stream.map((event) =>
            isOutput(event)
              ? CommandEvent.Output({ ...event, text: event.text.replace("user\n", "nobody\n") })
              : event
          )
        )
      ),
      /is named user/
    ],
    [
      "that tells all at the end",
      inside(retelling((events) => Stream.unwrap(Effect.map(Stream.runCollect(events), Stream.fromChunk)))),
      /output as it comes/
    ],
    [
      "that does not tell of the end",
      inside(retelling(Stream.filter(({ _tag }) => _tag !== "Ended"))),
      /exit code of 0/
    ],
    [
      "that ends a command when nobody follows it",
      inside(retelling((events, { signal }) => Stream.ensuring(events, Effect.ignore(signal("SIGKILL"))))),
      /goes on when nobody follows/
    ],
    [
      "that takes an exit for a signal",
      inside(
        retelling(
          Stream.map((event) =>
            event._tag === "Ended" && event.exit.signal !== undefined
              ? CommandEvent.Ended({ exit: { exitCode: 139 } })
              : event
          )
        )
      ),
      /names the signal/
    ],
    [
      "that runs everything as root",
      inside(({ run }) => ({ run: (command) => run({ ...command, user: "root" }) })),
      /user is not root/
    ],
    [
      "that runs nothing as root and does not say so",
      inside(({ run }) => ({ run: (command) => run({ ...command, user: "user" }) })),
      /runs as root when asked/
    ],
    [
      "whose signals reach nothing",
      inside(() => ({ signal: () => Effect.void })),
      /sends SIGKILL to every command/
    ],
    [
      "whose signals are all one",
      inside(({ signal }) => ({ signal: () => signal("SIGKILL") })),
      /sends SIGTERM to every command/
    ],
    ["whose destroy lies", inside(() => ({ destroy: Effect.void })), /destroy ends a sandbox for the list/],
    [
      "that cannot destroy twice",
      inside(({ destroy, renew }) => ({ destroy: Effect.zipRight(renew(Duration.minutes(1)), destroy) })),
      /destroy ends a sandbox for the list, and does it again/
    ],
    [
      "that says of every failure that the program may have run",
      inside(retelling(Stream.mapError(({ code }) => MockSandboxProvider.failure(code, "run")))),
      /says that nothing ran/
    ],
    [
      "that renews what is gone",
      inside(() => ({ renew: () => Effect.void })),
      /nothing that can be run or renewed/
    ],
    [
      "that cuts files",
      inside(({ read }) => ({
        read: (path) => Stream.map(read(path), (bytes) => bytes.subarray(0, 65_536))
      })),
      /byte for byte/
    ],
    [
      "that gives an empty file for one that is not there",
      inside(({ read }) => ({ read: (path) => Stream.catchAll(read(path), () => Stream.empty) })),
      /read fails for what is not there/
    ],
    [
      "that has one sandbox for all",
      changed((provider) => {
        const { create } = provider
        const one = Effect.runSync(Effect.cached(create({ metadata: {}, lifetime: Duration.minutes(1) })))
        return { ...provider, create: () => one }
      }),
      /a sandbox of its own/
    ],
    [
      "that lists everything",
      changed((provider) => ({ ...provider, list: () => provider.list({}) })),
      /all of the tags, with their tags, and no others/
    ],
    [
      "that loses tags",
      changed(({ list, ...rest }) => ({
        ...rest,
        list: (wanted) => Effect.map(list(wanted), (all) => all.map(({ id }) => ({ id, metadata: {} })))
      })),
      /with their tags/
    ],
    [
      "whose kill lies",
      changed((provider) => ({ ...provider, kill: () => Effect.void })),
      /kill ends a sandbox for the list/
    ],
    [
      "that cannot kill what is not there",
      changed((provider) => ({
        ...provider,
        kill: () => MockSandboxProvider.failure("INTERNAL_ERROR", "destroy", false)
      })),
      /kill succeeds for a sandbox that never was/
    ]
  ]
  for (const [what, layer, promise] of rows)
    it.live(what, () =>
      Effect.gen(function* () {
        const tried = casesLike(promise)
        const broken = yield* Case.broken(tried, layer, { timeout: 1000 })
        assert.deepStrictEqual(
          broken,
          tried.map(({ promise }) => promise)
        )
      }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
    )

  it("by each of its promises", () => {
    const tried = rows.flatMap(([, , promise]) => casesLike(promise)).map(({ promise }) => promise)
    const all = SandboxProviderConformance.cases(options).map(({ promise }) => promise)
    assert.sameMembers([...new Set(tried)], all)
  })

  it.live("and finds nothing wrong with the mock as it is, by the same promises", () =>
    Effect.gen(function* () {
      const checked = rows.flatMap(([, , promise]) => casesLike(promise))
      assert.deepStrictEqual(yield* Case.broken(checked, mock), [])
    })
  )
})
