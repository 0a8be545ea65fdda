import {
  AllowedArtifacts,
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  ArtifactStoreFailure,
  ScanFailure,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { anonymous, ExecutionId, shownPath } from "@bulkhead/domain"
import { SecretForms } from "@bulkhead/masking"
import {
  ArtifactCollector,
  type CollectOptions,
  CommandEvent,
  type FoundArtifact,
  MemoryExecutionStore,
  Sandbox,
  SandboxFailure,
  SandboxService
} from "@bulkhead/sandbox"
import { MockArtifacts, MockSandboxProvider, TestSandboxService } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  type Context,
  Duration,
  Effect,
  Either,
  FastCheck,
  Fiber,
  Layer,
  Mailbox,
  Option,
  Ref,
  Stream,
  TestClock
} from "effect"

type Inside = Context.Tag.Service<Sandbox>

const gone = new SandboxFailure({
  code: "ECONNRESET",
  phase: "files",
  message: "The connection was lost",
  retryable: true
})
const never = () => Effect.dieMessage("nobody asked for this")

/** A sandbox whose lister says what it is told to, and whose files are what they are told to be. */
const sandboxOf = (more: Partial<Inside>): Inside =>
  Sandbox.of({
    id: "fake",
    size: Effect.succeed({ vcpus: 2, memoryMB: 512 }),
    renew: () => Effect.void,
    write: never,
    signal: never,
    destroy: Effect.void,
    read: never as never,
    run: never as never,
    ...more
  })

const started = CommandEvent.Started({ pid: 6 })
const output = (text: string) => CommandEvent.Output({ stream: "stdout", text })

/** A lister that says this, and then goes on for as long as it is followed. */
const lister = (...said: ReadonlyArray<string>) =>
  Stream.concat(Stream.make(started, ...said.map(output)), Stream.never)

const saying = (text: string, read: Inside["read"] = () => Stream.fail(gone)) =>
  sandboxOf({ run: () => Mailbox.fromStream(lister(text)), read })

const bytes = (text: string) => Stream.make(new TextEncoder().encode(text))
const line = (name: string, size: number, fd = 3) =>
  `file ${fd} ${size} 8 ${Buffer.byteLength(name)} ${Buffer.from(name).toString("hex")}\n`
const listing = (...lines: ReadonlyArray<string>) => `pid 7\n${lines.join("")}end 0 1\n`

const executionId = ExecutionId.make("exec_test")

const collect = (sandbox: Inside, more: Partial<CollectOptions> = {}) =>
  Effect.flatMap(ArtifactCollector, (collector) =>
    collector.collect({
      executionId,
      userId: anonymous,
      sandbox,
      limits: { maxArtifactSizeMB: 1, maxArtifactsPerExecution: 2 },
      outputDir: "output",
      ...more
    })
  )

const collecting = (scanner: Layer.Layer<ArtifactScanner> = ArtifactScanner.layerOff) =>
  ValidatingArtifactCollector.layer().pipe(
    Layer.provideMerge(ArtifactStore.layerMemory),
    Layer.provide(Layer.merge(ArtifactInspector.layerMemory, scanner))
  )

const refused = (name: string, flaw: string) => ({ name, reason: `Artifact validation failed: ${flaw}` })
const isKept = (name: string) =>
  Effect.flatMap(ArtifactStore, (store) => Effect.map(store.open(executionId, name), Option.isSome))

describe("a file", () => {
  it.effect("is read by the descriptor that the lister holds, and kept", () =>
    Effect.gen(function* () {
      const paths: Array<string> = []
      const read = (path: string) => {
        paths.push(path)
        return bytes("hello")
      }
      const { artifacts, rejected } = yield* collect(saying(listing(line("a.txt", 5, 12)), read))
      assert.deepStrictEqual(paths, ["/proc/7/fd/12"])
      assert.deepStrictEqual(rejected, [])
      assert.deepStrictEqual(artifacts, [
        {
          name: "a.txt",
          size: 5,
          sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
          mediaType: "text/plain; charset=utf-8"
        }
      ])
      assert.isTrue(yield* isKept("a.txt"))
    }).pipe(Effect.provide(collecting()))
  )

  it.effect("that holds a secret is not kept, wherever its pieces end and whoever names it", () =>
    Effect.gen(function* () {
      const value = "sk-live-0123456789"
      const hidden = new SecretForms([{ value, shown: "placeholder" }])
      const listed = listing(line("a.txt", value.length + 2), line(`${value}.txt`, 1))
      for (const cut of [1, 9, value.length]) {
        const read = () => Stream.concat(bytes(`a${value.slice(0, cut)}`), bytes(`${value.slice(cut)}b`))
        const { artifacts, rejected } = yield* collect(saying(listed, read), { hidden })
        assert.deepStrictEqual(artifacts, [])
        assert.notInclude(JSON.stringify(rejected), value)
        for (const { reason } of rejected) assert.include(reason, "contains_secret")
        assert.strictEqual(rejected.length, 2)
        assert.isFalse(yield* isKept("a.txt"))
      }
      const half = () => bytes(`a${value.slice(1)}bc`)
      const { artifacts } = yield* collect(saying(listing(line("a.txt", value.length + 2)), half), { hidden })
      assert.strictEqual(artifacts.length, 1)
    }).pipe(Effect.provide(collecting()))
  )

  const rows: ReadonlyArray<readonly [string, Inside["read"], string]> = [
    ["shorter than it was", () => bytes("hell"), "it changed while it was read"],
    ["longer than it was", () => bytes("hello!"), "it grew while it was read"],
    ["without end", () => Stream.forever(bytes("a")), "it grew while it was read"],
    ["that cannot be read", () => Stream.fail(gone), "it could not be read"],
    ["that breaks off", () => Stream.concat(bytes("hel"), Stream.fail(gone)), "it could not be read"],
    ["that breaks us", () => Stream.dieMessage("defect"), "it could not be collected"]
  ]
  for (const [what, read, flaw] of rows) {
    it.effect(`${what} is refused, and nothing of it is kept`, () =>
      Effect.gen(function* () {
        const { artifacts, rejected } = yield* collect(saying(listing(line("a.txt", 5)), read))
        assert.deepStrictEqual(artifacts, [])
        assert.strictEqual(rejected[0]?.reason, `Artifact validation failed: ${flaw}`)
        assert.isFalse(yield* isKept("a.txt"))
      }).pipe(Effect.provide(collecting()))
    )
  }

  it.effect("that never comes costs itself and those behind it, not those before it", () =>
    Effect.gen(function* () {
      const read = (path: string) => (path.endsWith("/3") ? bytes("a") : Stream.never)
      const files = listing(line("a.txt", 1, 3), line("b.txt", 1, 4), line("c.txt", 1, 5))
      const fiber = yield* Effect.fork(collect(saying(files, read)))
      yield* TestClock.adjust("2 minutes")
      const { artifacts, rejected } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        artifacts.map(({ name }) => name),
        ["a.txt"]
      )
      assert.deepStrictEqual(rejected, [
        refused("b.txt", "collecting took too long"),
        refused("c.txt", "collecting took too long")
      ])
    }).pipe(Effect.provide(collecting()))
  )
})

describe("each file", () => {
  it.effect("is told of before the next ones are read, in the order that the result has", () =>
    Effect.gen(function* () {
      const told: Array<FoundArtifact> = []
      const toldBefore: Array<number> = []
      const read = () =>
        Stream.suspend(() => {
          toldBefore.push(told.length)
          return bytes("a")
        })
      const names = ["c.txt", "no.exe", "b.txt", "a.txt", "d.txt", "no2.exe", "e.txt", "f.txt"]
      const { artifacts, rejected } = yield* collect(
        saying(listing(...names.map((name) => line(name, 1))), read),
        {
          limits: { maxArtifactSizeMB: 1, maxArtifactsPerExecution: 7 },
          onFound: (found) => Effect.sync(() => told.push(found))
        }
      )
      assert.deepStrictEqual(
        artifacts.map(({ name }) => name),
        ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt"]
      )
      assert.deepStrictEqual(
        told.flatMap((found) => ("kept" in found ? [found.kept] : [])),
        artifacts
      )
      assert.deepStrictEqual(
        told.flatMap((found) => ("refused" in found ? [found.refused] : [])),
        rejected
      )
      assert.deepStrictEqual(toldBefore, [0, 0, 0, 3, 3, 6])
    }).pipe(Effect.provide(collecting()))
  )

  it.effect("is told of as far as it will be named, however many are refused", () =>
    Effect.gen(function* () {
      const told: Array<FoundArtifact> = []
      const names = Array.from({ length: 900 }, (_, index) => `${index}.${["exe", "so", "pyc"][index % 3]}`)
      const { rejected } = yield* collect(saying(listing(...names.map((name) => line(name, 1)))), {
        onFound: (found) => Effect.sync(() => told.push(found))
      })
      assert.lengthOf(rejected, 9)
      assert.deepStrictEqual(
        told,
        rejected.map((refused) => ({ refused }))
      )
    }).pipe(Effect.provide(collecting()))
  )
})

describe("of too many files", () => {
  const named = (count: number) => Array.from({ length: count }, (_, index) => `${(index * 7) % 1000}.txt`)

  it.effect(
    "the first of the listing are kept, however many come behind them, and the rest are counted",
    () =>
      Effect.gen(function* () {
        for (const count of [3, 4, 40, 1000]) {
          const files = listing(...named(count).map((name) => line(name, 1)))
          const { artifacts, rejected, rejectedCounts } = yield* collect(saying(files, () => bytes("a")))
          assert.deepStrictEqual(
            artifacts.map(({ name }) => name),
            ["0.txt", "7.txt"]
          )
          const reason = "Artifact validation failed: there are more than 2 artifacts"
          assert.strictEqual(rejectedCounts?.[0]?.count ?? rejected.length, count - 2)
          assert.deepStrictEqual(rejected[0], { name: "14.txt", reason })
        }
      }).pipe(Effect.provide(collecting()))
  )

  it.effect("those that are not even listed are counted too", () =>
    Effect.gen(function* () {
      const counts = (end: string) =>
        Effect.map(
          collect(saying(`pid 7\n${line("a.txt", 1)}${end}\n`, () => bytes("a"))),
          ({ rejectedCounts }) => rejectedCounts
        )
      const reason =
        "Artifact validation failed: there are more than 1 entries, and the rest were not looked at"
      assert.deepStrictEqual(yield* counts("end 5000 1"), [{ reason, count: 5000 }])
      assert.deepStrictEqual(yield* counts("end 7 0"), [{ reason: `${reason}, nor all counted`, count: 7 }])
      assert.isUndefined(yield* counts("end 0 1"))
    }).pipe(Effect.provide(collecting()))
  )
})

describe("a file whose name is not composed", () => {
  it.effect("is kept under the composed one, and beside another of that name under one of its own", () =>
    Effect.gen(function* () {
      const files = listing(line("e\u0301.txt", 1), line("é.txt", 1))
      const { artifacts, hints } = yield* collect(saying(files, () => bytes("a")))
      assert.deepStrictEqual(
        artifacts.map(({ name }) => name),
        ["é (2).txt", "é.txt"]
      )
      assert.deepStrictEqual(hints, [
        "A file is kept as é (2).txt, since another has the same name but for how its accents are written."
      ])
      assert.isTrue(yield* isKept("é (2).txt"))
    }).pipe(Effect.provide(collecting()))
  )
})

describe("the scanner", () => {
  const scanning = (scan: Context.Tag.Service<ArtifactScanner>["scan"]) =>
    Layer.succeed(ArtifactScanner, { scan })
  const one = saying(listing(line("a.txt", 5)), () => bytes("hello"))

  it.effect("sees the whole file", () =>
    Effect.gen(function* () {
      const seen = yield* Ref.make("")
      const layer = scanning((content) =>
        Stream.runForEach(content, (piece) =>
          Ref.update(seen, (text) => text + Buffer.from(piece).toString())
        ).pipe(Effect.as({ _tag: "Clean" } as const))
      )
      assert.strictEqual((yield* Effect.provide(collect(one), collecting(layer))).artifacts.length, 1)
      assert.strictEqual(yield* Ref.get(seen), "hello")
    })
  )

  it.effect("refuses what is infected", () =>
    Effect.gen(function* () {
      const { artifacts, rejected } = yield* collect(one)
      assert.deepStrictEqual(artifacts, [])
      assert.deepStrictEqual(rejected, [refused("a.txt", "the scanner found Eicar\\u{a}")])
      assert.isFalse(yield* isKept("a.txt"))
    }).pipe(Effect.provide(collecting(scanning(() => Effect.succeed({ _tag: "Infected", name: "Eicar\n" })))))
  )

  it.effect("that fails refuses everything, and says nothing of itself", () =>
    Effect.gen(function* () {
      const { rejected } = yield* collect(one)
      assert.deepStrictEqual(rejected, [refused("a.txt", "it could not be scanned")])
      assert.isFalse(yield* isKept("a.txt"))
    }).pipe(
      Effect.provide(
        collecting(scanning(() => new ScanFailure({ message: "/run/clamav/clamd.ctl is not there" })))
      )
    )
  )
})

describe("the store", () => {
  for (const [reason, flaw] of [
    ["NoSpace", "there is no room to keep it"],
    ["Unavailable", "it could not be kept"]
  ] as const) {
    it.effect(`that fails with ${reason} is a reason`, () =>
      Effect.map(collect(saying(listing(line("a.txt", 1)), () => bytes("a"))), ({ rejected }) =>
        assert.deepStrictEqual(rejected, [refused("a.txt", flaw)])
      ).pipe(
        Effect.provide(
          ValidatingArtifactCollector.layer().pipe(
            Layer.provide(Layer.merge(ArtifactInspector.layerMemory, ArtifactScanner.layerOff)),
            Layer.provide(
              Layer.succeed(ArtifactStore, {
                stage: () => new ArtifactStoreFailure({ reason }),
                open: () => Effect.succeedNone,
                remove: () => Effect.void,
                taken: () => Effect.succeed(0)
              })
            )
          )
        )
      )
    )
  }
})

describe("a lister", () => {
  const unlisted = "the output directory could not be listed"
  const lies: ReadonlyArray<readonly [string, string]> = [
    ["nothing", "end 0 1\n"],
    ["no process", "pid x\nend 0 1\n"],
    ["a path for a process", "pid ../../etc\nend 0 1\n"],
    ["a path for a descriptor", "pid 7\nfile ../../environ 1 8 1 61\nend 0 1\n"],
    ["an unknown kind", "pid 7\nwhatever 3 1 8 1 61\nend 0 1\n"],
    ["half a byte", "pid 7\nfile 3 1 8 1 6\nend 0 1\n"],
    ["an endless number", `pid 7\nfile 3 ${"9".repeat(400)} 8 1 61\nend 0 1\n`],
    ["more than it may", listing(...Array.from({ length: 1001 }, () => line("a.txt", 1)))],
    ["a flood", "x".repeat(3_000_000)]
  ]
  for (const [what, text] of lies) {
    it.effect(`that says ${what} is not believed`, () =>
      Effect.map(collect(saying(text)), ({ artifacts, rejected }) => {
        assert.deepStrictEqual(artifacts, [])
        assert.deepStrictEqual(rejected, [refused("output", unlisted)])
      }).pipe(Effect.provide(collecting()))
    )
  }

  it.effect("that says nothing is given up", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(collect(saying("pid 7\n")))
      yield* TestClock.adjust("20 seconds")
      const { rejected } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(rejected, [refused("output", "listing the output directory took too long")])
    }).pipe(Effect.provide(collecting()))
  )

  it.effect("that ends early is not believed", () =>
    Effect.map(
      collect(
        sandboxOf({
          run: () =>
            Mailbox.fromStream(Stream.make(started, CommandEvent.Ended({ exit: { signal: "SIGKILL" } })))
        })
      ),
      ({ rejected }) => assert.deepStrictEqual(rejected, [refused("output", unlisted)])
    ).pipe(Effect.provide(collecting()))
  )

  it.effect("that cannot be run is a reason", () =>
    Effect.map(collect(sandboxOf({ run: () => gone })), ({ rejected }) =>
      assert.deepStrictEqual(rejected, [refused("output", "the connection was lost")])
    ).pipe(Effect.provide(collecting()))
  )

  it.effect("that finds nothing costs no more than itself", () =>
    Effect.map(collect({ ...saying(listing()), renew: never }), (collected) =>
      assert.deepStrictEqual(collected, { artifacts: [], rejected: [] })
    ).pipe(Effect.provide(collecting()))
  )

  it.effect("of a sandbox that will not live long enough is a reason", () =>
    Effect.map(collect({ ...saying(listing(line("a.txt", 1))), renew: () => gone }), ({ rejected }) =>
      assert.deepStrictEqual(rejected, [refused("output", "the sandbox has gone")])
    ).pipe(Effect.provide(collecting()))
  )

  it.effect("is heard to its end, however its words are cut", () =>
    Effect.gen(function* () {
      const text = listing(line("a.txt", 1), line("b.txt", 1))
      for (const piece of [1, 2, 7]) {
        const pieces = text.match(new RegExp(`[^]{1,${piece}}`, "g")) ?? []
        const run = () => Mailbox.fromStream(lister(...pieces))
        const { artifacts } = yield* collect(sandboxOf({ run, read: () => bytes("a") }))
        assert.strictEqual(artifacts.length, 2)
      }
    }).pipe(Effect.provide(collecting()))
  )

  const word = FastCheck.constantFrom(
    "pid 7\n",
    "end 0 1\n",
    "end 1 1\n",
    "file 3 1 8 1 61\n",
    line("a.txt", 1),
    "\n",
    "symlink -1 0 0 1 61\n"
  )
  it.effect("may say two megabytes in pieces of thirty bytes, each of which costs what it is long", () =>
    Effect.gen(function* () {
      const filler = "x".repeat(30)
      const run = () =>
        Mailbox.fromStream(
          Stream.concat(Stream.make(started, output("pid 7\n")), Stream.repeatValue(output(filler)))
        )
      const { rejected } = yield* collect(sandboxOf({ run }))
      assert.deepStrictEqual(rejected, [refused("output", "the output directory could not be listed")])
    }).pipe(Effect.provide(collecting()))
  )

  it.effect.prop(
    "may say anything: each answer is whole",
    [FastCheck.array(FastCheck.oneof(word, FastCheck.string()), { maxLength: 12 })],
    ([words]) =>
      Effect.gen(function* () {
        const sandbox = sandboxOf({
          run: () =>
            Mailbox.fromStream(
              Stream.make(started, output(words.join("")), CommandEvent.Ended({ exit: { exitCode: 0 } }))
            ),
          read: () => bytes("a")
        })
        const { artifacts, rejected } = yield* collect(sandbox)
        for (const { reason } of rejected) assert.match(reason, /^Artifact validation failed: ./)
        assert.isAtMost(artifacts.length, 2)
      }).pipe(Effect.provide(collecting()))
  )
})

describe("what a user may leave", () => {
  it.effect("is their own list's, in an encoding that is said where it is sure", () =>
    Effect.gen(function* () {
      const files = listing(line("a.csv", 2), line("a.txt", 2))
      const { artifacts, rejected } = yield* collect(
        saying(files, () => Stream.make(Buffer.from("é", "utf8")))
      )
      assert.deepStrictEqual(
        artifacts.map(({ mediaType }) => mediaType),
        ["text/csv; charset=utf-8"]
      )
      assert.deepStrictEqual(rejected, [refused("a.txt", "its extension .txt is not allowed here")])
      const older = yield* collect(saying(listing(line("a.csv", 1)), () => Stream.make(Buffer.from([0xe9]))))
      assert.deepStrictEqual(
        older.artifacts.map(({ mediaType }) => mediaType),
        ["text/csv"]
      )
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          collecting(),
          AllowedArtifacts.layer({
            ofUsers: Either.getOrThrow(AllowedArtifacts.parseForUsers("anonymous .csv; bob .txt"))
          })
        )
      )
    )
  )
})

describe("a mock sandbox", () => {
  const options = { metadata: {}, lifetime: Duration.minutes(1) }
  const mock = (behaviour: Partial<MockSandboxProvider.MockBehaviour>) =>
    Layer.provide(Sandbox.layer(options), MockSandboxProvider.layer(behaviour))

  it.effect("leaves the files that it is told to", () =>
    Effect.gen(function* () {
      const { artifacts, rejected } = yield* collect(yield* Sandbox)
      assert.deepStrictEqual(
        artifacts.map(({ name, size }) => [name, size]),
        [["é.txt", 5]]
      )
      assert.deepStrictEqual(rejected, [
        refused("b.exe", "its extension .exe is not allowed; keep the source instead of the program")
      ])
    }).pipe(
      Effect.provide(mock(MockArtifacts.leaving({ "é.txt": "hello", "b.exe": "MZ" }))),
      Effect.provide(collecting())
    )
  )

  it.effect("gives back what was written, and fails for anything else", () =>
    Effect.gen(function* () {
      const sandbox = yield* Sandbox
      yield* sandbox.write([{ path: "a", content: new Uint8Array([1]) }])
      assert.deepStrictEqual([...(yield* Stream.runCollect(sandbox.read("a")))], [new Uint8Array([1])])
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(sandbox.read("b")))).phase, "files")
    }).pipe(Effect.provide(mock({})))
  )
})

describe("the service", () => {
  const leavingFiles = MockArtifacts.leaving({ "a.txt": "hello", "b.exe": "MZ" })
  const service = TestSandboxService.layerOver(leavingFiles).pipe(
    Layer.provide(MemoryExecutionStore.layer()),
    Layer.provideMerge(collecting())
  )

  it.effect("keeps what passes, and says what does not", () =>
    Effect.gen(function* () {
      const result = yield* (yield* SandboxService).execute({ code: "1", userId: "ann" })
      assert.deepStrictEqual(
        result.artifacts.map(({ name }) => name),
        ["a.txt"]
      )
      assert.deepStrictEqual(result.rejectedArtifacts, [
        refused("b.exe", "its extension .exe is not allowed; keep the source instead of the program")
      ])
      assert.isTrue(Option.isSome(yield* (yield* ArtifactStore).open(result.executionId, "a.txt")))
    }).pipe(Effect.provide(service))
  )
})

describe("a name that is shown", () => {
  it("is escaped and cut", () => {
    assert.strictEqual(shownPath("a\n\u202eb\\c\x1b[2J"), "a\\u{a}\\u{202e}b\\\\c\\u{1b}[2J")
    assert.strictEqual(shownPath("é🙂.txt"), "é🙂.txt")
    assert.strictEqual(shownPath("a".repeat(5000)), `${"a".repeat(120)}…`)
  })

  it.prop(
    "has nothing that controls anything, and is short",
    [FastCheck.fullUnicodeString({ maxLength: 500 })],
    ([name]) => {
      const shown = shownPath(name)
      assert.notMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      assert.isAtMost(shown.length, 121)
    }
  )
})
