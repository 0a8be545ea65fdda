import {
  CommandEvent,
  type CommandOutput,
  Sandbox,
  type SandboxCommand,
  type SandboxFailure,
  type SandboxOptions,
  SandboxProvider
} from "@bulkhead/sandbox"
import { assert } from "@effect/vitest"
import { type Context, Duration, Effect, type Layer, Mailbox, Option, Schedule, Stream } from "effect"
import * as Case from "./Case.js"

type Inside = Context.Tag.Service<Sandbox>

/** The lines that the suite runs, so that a provider without a shell can play them. */
export const lines = {
  succeeds: "true",
  prints: "echo out; echo err >&2; exit 3",
  crashes: "kill -SEGV $$",
  echoes: 'printf %s "$VALUE"',
  counts: "seq 1 200000",
  euros: "printf '€%.0s' $(seq 1 100000)",
  sleeps: "echo ready; exec sleep 60",
  who: "id -u",
  name: "id -un",
  owner: "stat -c %u a/deep/file; cat a/deep/file",
  answers: "echo ready; until [ -e asked ]; do sleep 0.02; done; echo done > answer",
  waits: "echo ready; until [ -e /tmp/bulkhead-go ]; do sleep 0.02; done; echo went",
  scatters:
    "setsid sh -c 'echo $$ > child; exec sleep 61' & until [ -s child ]; do sleep 0.02; done; echo ready; wait",
  looks: "while grep -qs . /proc/$(cat child)/cmdline; do sleep 0.02; done; echo gone"
} as const

export interface SandboxProviderOptions extends Case.SuiteOptions {
  /** Whether it ends sandboxes and commands whose lifetime is over. Default true; say no for a provider for tests. */
  readonly lifetimes?: boolean
  /** A template that it has beside its usual one, with a file that only sandboxes of it have. Default: it has none. */
  readonly template?: { readonly name: string; readonly file: string }
}

/** A tag that no other test has. */
const mark = Effect.sync(() => globalThis.crypto.randomUUID() as string)

const minute = Duration.minutes(1)

const make = (options: Partial<SandboxOptions> = {}) =>
  Sandbox.scoped(
    Effect.flatMap(SandboxProvider, ({ create }) =>
      create({ metadata: { suite: "conformance" }, lifetime: minute, ...options })
    )
  )

const command = (line: string, more: Partial<SandboxCommand> = {}): SandboxCommand => ({
  line,
  env: {},
  lifetime: minute,
  ...more
})

const outputOf = (
  sandbox: Inside,
  line: string,
  more: Partial<SandboxCommand> = {}
): Effect.Effect<CommandOutput, SandboxFailure> =>
  Effect.provideService(Sandbox.output(command(line, more)), Sandbox, sandbox)

const outputIn = (line: string, more: Partial<SandboxCommand> = {}) =>
  Effect.flatMap(make(), (sandbox) => outputOf(sandbox, line, more))

/** Follows a command from its first output on, which says that it is ready. */
const follow = Effect.fnUntraced(function* (
  { run }: Inside,
  line: string,
  more: Partial<SandboxCommand> = {}
) {
  const events = yield* run(command(line, more))
  assert.strictEqual((yield* events.take)._tag, "Started")
  assert.deepStrictEqual(yield* events.take, CommandEvent.Output({ stream: "stdout", text: "ready\n" }))
  return events
})

/** Waits until there is nothing more to follow. */
const lastOf = <A, E>(events: Mailbox.ReadonlyMailbox<A, E>) =>
  Effect.map(Stream.runLast(Mailbox.toStream(events)), Option.getOrUndefined)

const contentOf = ({ read }: Inside, path: string) =>
  Effect.map(Stream.runCollect(read(path)), (pieces) => Buffer.concat([...pieces]))

const bytesOf = (text: string) => new TextEncoder().encode(text)

const idsWith = (metadata: Readonly<Record<string, string>>) =>
  Effect.flatMap(SandboxProvider, ({ list }) =>
    Effect.map(list(metadata), (found) => found.map(({ id }) => id).sort())
  )

const { promises } = Case

const created: ReadonlyArray<Case.Case<SandboxProvider>> = [
  promises(
    "create gives each caller a sandbox of its own, also to many at once",
    Effect.gen(function* () {
      const [one, two, three] = yield* Effect.all([make(), make(), make()], { concurrency: 3 })
      assert.strictEqual(new Set([one.id, two.id, three.id]).size, 3)
      yield* one.write([{ path: "mine", content: bytesOf("1") }])
      assert.strictEqual((yield* Effect.flip(contentOf(two, "mine"))).phase, "files")
    })
  ),
  promises(
    "size is what the sandbox is allotted",
    Effect.gen(function* () {
      const { memoryMB, vcpus } = yield* (yield* make()).size
      assert.isAbove(memoryMB, 0)
      assert.isAbove(vcpus, 0)
    })
  ),
  promises(
    "list gives the sandboxes that carry all of the tags, with their tags, and no others",
    Effect.gen(function* () {
      const { list } = yield* SandboxProvider
      const suite = yield* mark
      const awkward = { suite, "odd key": "two & = % words, ünï/+" }
      const one = yield* make({ metadata: awkward })
      const two = yield* make({ metadata: { suite, "odd key": "other" } })
      yield* make({ metadata: { suite: yield* mark } })
      assert.deepStrictEqual(yield* idsWith({ suite }), [one.id, two.id].sort())
      assert.deepStrictEqual(yield* list(awkward), [{ id: one.id, metadata: awkward }])
      assert.includeMembers([...(yield* idsWith({}))], [one.id, two.id])
      assert.deepStrictEqual(yield* idsWith({ suite: yield* mark }), [])
    })
  )
]

/** No provider can have it. */
const unheardOf = "template-that-never-was"

const refusesTemplates = promises(
  "create refuses a template that is not there, for good, and leaves nothing",
  Effect.gen(function* () {
    const suite = yield* mark
    const failure = yield* Effect.flip(make({ template: unheardOf, metadata: { suite } }))
    assert.include(failure, { code: "INTERNAL_ERROR", phase: "create", retryable: false })
    assert.deepStrictEqual(yield* idsWith({ suite }), [])
  })
)

const takesTemplate = ({ file, name }: { readonly name: string; readonly file: string }) =>
  promises(
    "create makes a sandbox from the template that is asked for, and others from the usual one",
    Effect.gen(function* () {
      const [chosen, usual] = yield* Effect.all([make({ template: name }), make()], { concurrency: 2 })
      assert.isAbove((yield* contentOf(chosen, file)).length, 0)
      assert.strictEqual((yield* Effect.flip(contentOf(usual, file))).phase, "files")
    })
  )

const commands: ReadonlyArray<Case.Case<SandboxProvider>> = [
  promises(
    "run tells of the start first, then of the output, and of the end last",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const events = [...(yield* Stream.runCollect(Sandbox.events(sandbox, command(lines.prints))))]
      assert(events[0]?._tag === "Started")
      assert.isAbove(events[0].pid, 0)
      assert.deepStrictEqual(events.at(-1), CommandEvent.Ended({ exit: { exitCode: 3 } }))
      const written = events.slice(1, -1).filter(CommandEvent.$is("Output"))
      assert.strictEqual(written.length, events.length - 2)
      const textOf = (stream: "stdout" | "stderr") =>
        written.flatMap((output) => (output.stream === stream ? [output.text] : [])).join("")
      assert.deepStrictEqual([textOf("stdout"), textOf("stderr")], ["out\n", "err\n"])
    })
  ),
  promises(
    "run gives an exit code of 0",
    Effect.map(outputIn(lines.succeeds), ({ exit }) => assert.deepStrictEqual(exit, { exitCode: 0 }))
  ),
  promises(
    "run names the signal that ended the command",
    Effect.map(outputIn(lines.crashes), ({ exit }) => assert.deepStrictEqual(exit, { signal: "SIGSEGV" }))
  ),
  promises(
    "run passes the environment on as it is",
    Effect.gen(function* () {
      const value = "two\nlines, 'quotes' and $HOME"
      assert.strictEqual((yield* outputIn(lines.echoes, { env: { VALUE: value } })).stdout, value)
    })
  ),
  promises(
    "run keeps the order and every byte of a large output",
    Effect.gen(function* () {
      const { stdout } = yield* outputIn(lines.counts)
      const wanted = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join("")
      assert.isTrue(stdout === wanted, "it is not what was written")
    })
  ),
  promises(
    "run cuts no character in two",
    Effect.gen(function* () {
      const { stdout } = yield* outputIn(lines.euros)
      assert.isTrue(stdout === "€".repeat(100_000), "it is not what was written")
    })
  ),
  promises(
    "run tells of output as it comes",
    Effect.gen(function* () {
      const sandbox = yield* make()
      yield* follow(sandbox, lines.sleeps)
    })
  ),
  promises(
    "run's command goes on when nobody follows it any more",
    Effect.gen(function* () {
      const sandbox = yield* make()
      yield* Effect.scoped(follow(sandbox, lines.answers))
      yield* sandbox.write([{ path: "asked", content: bytesOf("?") }])
      const answer = yield* contentOf(sandbox, "answer").pipe(
        Effect.filterOrFail((bytes) => bytes.length > 0),
        Effect.retry(Schedule.spaced("50 millis"))
      )
      assert.strictEqual(answer.toString(), "done\n")
    })
  ),
  promises(
    "run's user is not root unless that is asked for",
    Effect.gen(function* () {
      const sandbox = yield* make()
      assert.match((yield* outputOf(sandbox, lines.who)).stdout, /^[1-9]\d*\n$/)
      assert.match((yield* outputOf(sandbox, lines.who, { user: "user" })).stdout, /^[1-9]\d*\n$/)
    })
  ),
  promises(
    "run runs as root when asked, or refuses that for good at the start",
    Effect.gen(function* () {
      const ran = yield* Effect.either(outputIn(lines.who, { user: "root" }))
      if (ran._tag === "Right") return assert.strictEqual(ran.right.stdout, "0\n")
      assert.include(ran.left, { phase: "start", retryable: false })
    })
  ),
  promises(
    "run's user is named user, where there is a root that is to become it",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const asRoot = yield* Effect.option(outputOf(sandbox, lines.who, { user: "root" }))
      if (Option.isNone(asRoot)) return
      assert.strictEqual((yield* outputOf(sandbox, lines.name)).stdout, "user\n")
    })
  )
]

const signals: ReadonlyArray<Case.Case<SandboxProvider>> = [
  ...(["SIGTERM", "SIGKILL"] as const).map((name) =>
    promises(
      `signal sends ${name} to every command of the user's`,
      Effect.gen(function* () {
        const sandbox = yield* make()
        const commands = yield* Effect.replicateEffect(follow(sandbox, lines.sleeps), 2)
        yield* sandbox.signal(name)
        for (const events of commands)
          assert.deepStrictEqual(yield* lastOf(events), CommandEvent.Ended({ exit: { signal: name } }))
        assert.deepStrictEqual((yield* outputOf(sandbox, lines.succeeds)).exit, { exitCode: 0 })
      })
    )
  ),
  promises(
    "signal reaches what a command has put into a session of its own",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const events = yield* follow(sandbox, lines.scatters)
      yield* sandbox.signal("SIGKILL")
      assert.deepStrictEqual(yield* lastOf(events), CommandEvent.Ended({ exit: { signal: "SIGKILL" } }))
      assert.strictEqual((yield* outputOf(sandbox, lines.looks)).stdout, "gone\n")
    })
  ),
  promises(
    "signal leaves what runs as root, where there is root",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const asRoot = yield* Effect.option(outputOf(sandbox, lines.who, { user: "root" }))
      if (Option.isNone(asRoot)) return
      const events = yield* follow(sandbox, lines.waits, { user: "root" })
      yield* sandbox.signal("SIGKILL")
      yield* sandbox.write([{ path: "/tmp/bulkhead-go", content: bytesOf("go") }])
      assert.deepStrictEqual(yield* lastOf(events), CommandEvent.Ended({ exit: { exitCode: 0 } }))
    })
  )
]

const files: ReadonlyArray<Case.Case<SandboxProvider>> = [
  promises(
    "write puts files where commands find them, as their user's",
    Effect.gen(function* () {
      const sandbox = yield* make()
      yield* sandbox.write([{ path: "a/deep/file", content: bytesOf("content") }])
      const { stdout } = yield* outputOf(sandbox, lines.who)
      assert.strictEqual((yield* outputOf(sandbox, lines.owner)).stdout, `${stdout}content`)
    })
  ),
  promises(
    "read gives what was written, byte for byte, also of large and of empty files",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 251)
      yield* sandbox.write([
        { path: "large.bin", content: large },
        { path: "empty", content: new Uint8Array(0) },
        { path: "large.bin.txt", content: bytesOf("other") }
      ])
      assert.isTrue((yield* contentOf(sandbox, "large.bin")).equals(large), "it is not what was written")
      assert.strictEqual((yield* contentOf(sandbox, "empty")).length, 0)
    })
  ),
  promises(
    "write takes a Blob too, beside files in memory",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 251)
      yield* sandbox.write([
        { path: "in/blob.bin", content: new Blob([large]) },
        { path: "in/small", content: bytesOf("small") },
        { path: "in/empty", content: new Blob([]) }
      ])
      assert.isTrue((yield* contentOf(sandbox, "in/blob.bin")).equals(large), "it is not what was written")
      assert.strictEqual((yield* contentOf(sandbox, "in/small")).toString(), "small")
      assert.strictEqual((yield* contentOf(sandbox, "in/empty")).length, 0)
    })
  ),
  promises(
    "write and read take every name as it is",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const names = ["a", "~/a", "~a", "~root", "-a", "a b'\"%41#?&;", "ü"]
      for (const content of [bytesOf, (name: string) => new Blob([name])]) {
        yield* sandbox.write(names.map((name) => ({ path: name, content: content(name) })))
        for (const name of names)
          assert.strictEqual((yield* contentOf(sandbox, name)).toString(), name, "it is another file")
      }
    })
  ),
  promises(
    "write puts a file in the place of the one before it",
    Effect.gen(function* () {
      const sandbox = yield* make()
      yield* sandbox.write([{ path: "file", content: bytesOf("the first one") }])
      yield* sandbox.write([{ path: "file", content: bytesOf("second") }])
      assert.strictEqual((yield* contentOf(sandbox, "file")).toString(), "second")
    })
  ),
  promises(
    "read fails for what is not there",
    Effect.gen(function* () {
      const failure = yield* Effect.flip(contentOf(yield* make(), "nothing"))
      assert.strictEqual(failure.phase, "files")
    })
  )
]

/** What is true of a sandbox however it came to its end. */
const goneIn = (
  how: string,
  end: (sandbox: Inside) => Effect.Effect<void, SandboxFailure, SandboxProvider>
) => [
  promises(
    `${how} ends a sandbox for the list, and does it again without a failure`,
    Effect.gen(function* () {
      const suite = yield* mark
      const sandbox = yield* make({ metadata: { suite } })
      assert.deepStrictEqual(yield* idsWith({ suite }), [sandbox.id])
      yield* end(sandbox)
      assert.deepStrictEqual(yield* idsWith({ suite }), [])
      yield* end(sandbox)
      yield* sandbox.destroy
    })
  ),
  promises(
    `${how} ends what runs, with a failure of the run`,
    Effect.gen(function* () {
      const sandbox = yield* make()
      const events = yield* follow(sandbox, lines.sleeps)
      yield* end(sandbox)
      const failure = yield* Effect.flip(lastOf(events))
      assert.include(failure, { phase: "run" })
      assert.isTrue(failure.mayHaveRun)
    })
  ),
  promises(
    `${how} leaves nothing that can be run or renewed, and says that nothing ran`,
    Effect.gen(function* () {
      const sandbox = yield* make()
      yield* end(sandbox)
      const failure = yield* Effect.flip(outputOf(sandbox, lines.succeeds))
      assert.include(failure, { phase: "start" })
      assert.isFalse(failure.mayHaveRun)
      assert.strictEqual((yield* Effect.flip(sandbox.renew(minute))).phase, "renew")
    })
  )
]

const ends: ReadonlyArray<Case.Case<SandboxProvider>> = [
  ...goneIn("destroy", ({ destroy }) => destroy),
  ...goneIn("kill", ({ id }) => Effect.flatMap(SandboxProvider, ({ kill }) => kill(id))),
  promises(
    "kill succeeds for a sandbox that never was",
    Effect.flatMap(SandboxProvider, ({ kill }) => kill("sandbox-that-never-was"))
  )
]

const lifetimes: ReadonlyArray<Case.Case<SandboxProvider>> = [
  promises(
    "a sandbox ends with its lifetime, unless that was renewed",
    Effect.gen(function* () {
      const suite = yield* mark
      const options = { lifetime: Duration.seconds(2), metadata: { suite } }
      const [renewed, other] = yield* Effect.all([make(options), make(options)], { concurrency: 2 })
      yield* renewed.renew(minute)
      const events = yield* follow(other, lines.sleeps)
      assert.strictEqual((yield* Effect.flip(lastOf(events))).phase, "run")
      assert.deepStrictEqual((yield* outputOf(renewed, lines.succeeds)).exit, { exitCode: 0 })
      assert.deepStrictEqual(yield* idsWith({ suite }), [renewed.id])
    })
  ),
  promises(
    "a command ends with its lifetime, and its sandbox does not",
    Effect.gen(function* () {
      const sandbox = yield* make()
      const events = yield* follow(sandbox, lines.sleeps, { lifetime: Duration.seconds(2) })
      yield* Effect.exit(lastOf(events))
      assert.deepStrictEqual((yield* outputOf(sandbox, lines.succeeds)).exit, { exitCode: 0 })
    })
  )
]

/** What `SandboxService` expects of every provider. */
export const cases = ({
  lifetimes: hasLifetimes = true,
  template
}: SandboxProviderOptions = {}): ReadonlyArray<Case.Case<SandboxProvider>> => [
  ...created,
  refusesTemplates,
  ...(template === undefined ? [] : [takesTemplate(template)]),
  ...commands,
  ...signals,
  ...files,
  ...ends,
  ...(hasLifetimes ? lifetimes : [])
]

/**
 * Registers a test for each promise of a `SandboxProvider`. Its sandboxes must have bash, coreutils, grep and setsid.
 * Other sandboxes of the same account are left alone.
 */
export const suite = <E>(
  title: string,
  layer: Layer.Layer<SandboxProvider, E>,
  options: SandboxProviderOptions = {}
): void => Case.registerTogether(title, cases(options), layer, options)
