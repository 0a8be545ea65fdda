import {
  type AuditVerification,
  type EventLevel,
  type EventName,
  type ExecutionEvent,
  ExecutionId,
  type ExecutionResult,
  type ExecutionSummary,
  type Page,
  type Usage,
  UserId,
  type Verdict
} from "@bulkhead/domain"
import { type Entry, type EventQuery, ExecutionStore, type StoreFailure } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"

export const id = (name: string) => ExecutionId.make(`exec_${name}`)
export const user = (name: string) => UserId.make(name)

export const summary = (name: string, rest: Partial<ExecutionSummary> = {}): ExecutionSummary => ({
  executionId: id(name),
  userId: user("ann"),
  state: "running",
  language: "python",
  startedAt: 1000,
  ...rest
})

export const began = (name: string, rest: Partial<ExecutionSummary> = {}): Entry => ({
  _tag: "Began",
  execution: summary(name, rest)
})

const eventOf = (name: string, event: EventName): ExecutionEvent => ({
  timestamp: 1001,
  executionId: id(name),
  userId: user("ann"),
  level: "info",
  event,
  message: `It's "${name}" \u0000 \ud800 ✓`
})

export const happened = (
  name: string,
  event: EventName = "execution_started",
  data?: Readonly<Record<string, unknown>>
): Entry => ({ _tag: "Happened", event: { ...eventOf(name, event), ...(data ? { data } : {}) } })

export const result = (name: string, rest: Partial<ExecutionResult> = {}): ExecutionResult => ({
  executionId: id(name),
  success: true,
  verdict: "Completed",
  stdout: "Hello\u0000, 'World' ✓\n",
  stderr: "",
  exitCode: 0,
  metrics: { executionTimeMs: 3.25, retries: 0 },
  output: { stdoutBytes: 20, stderrBytes: 0, truncated: false },
  artifacts: [{ name: "out.csv", size: 3, sha256: "ab", mediaType: "text/csv" }],
  rejectedArtifacts: [],
  receipt: {
    signals: [{ signal: "SIGTERM", atMs: 1 }],
    survivors: 0,
    sandboxDestroyed: true,
    enforcement: { memory: "none" }
  },
  ...rest
})

const usageOf = (sandboxMs: number): Usage => ({
  sandboxMs,
  vcpuSeconds: sandboxMs / 500,
  gibSeconds: sandboxMs / 2000,
  artifactBytes: 3,
  costUsd: sandboxMs / 1_000_000
})

export const ended = (
  name: string,
  rest: { endedAt?: number; verdict?: Verdict; result?: ExecutionResult; usage?: Usage } = {}
): Entry => ({ _tag: "Ended", end: { executionId: id(name), endedAt: 2000, verdict: "Completed", ...rest } })

/** Appends, and waits until it is written. */
export const put = Effect.fnUntraced(function* (...entries: ReadonlyArray<Entry>) {
  const store = yield* ExecutionStore
  yield* store.append(entries)
  yield* store.commit
})

/** All items of a list, a few at a time. */
const walk = <A>(ask: (cursor?: string) => Effect.Effect<Page<A>, StoreFailure>) =>
  Effect.gen(function* () {
    const items: Array<A> = []
    let page = yield* ask()
    items.push(...page.items)
    while (page.nextCursor !== undefined) {
      page = yield* ask(page.nextCursor)
      items.push(...page.items)
    }
    return items
  })

const after = (cursor: string | undefined) => (cursor === undefined ? {} : { cursor })
const names = (executions: ReadonlyArray<ExecutionSummary>) =>
  executions.map(({ executionId }) => executionId.slice("exec_".length))

/** What every store does. `layer` is asked for once a test, and must be empty each time. */
export const storeSuite = <E>(title: string, layer: () => Layer.Layer<ExecutionStore, E>) =>
  describe(title, () => {
    const test = (name: string, body: Effect.Effect<void, StoreFailure, ExecutionStore>) =>
      it.live(name, () => Effect.suspend(() => Effect.provide(body, layer())))

    test(
      "finds an execution as it began, and as it ended",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        assert.deepStrictEqual(yield* store.find(id("a")), Option.none())
        yield* put(began("a", { state: "queued" }), happened("a", "execution_queued"))
        assert.deepStrictEqual(yield* store.find(id("a")), Option.some(summary("a", { state: "queued" })))
        yield* put(happened("a", "execution_completed"), ended("a", { result: result("a") }))
        assert.deepStrictEqual(
          yield* store.find(id("a")),
          Option.some({
            ...summary("a"),
            state: "ended" as const,
            endedAt: 2000,
            verdict: "Completed" as const,
            result: result("a")
          })
        )
      })
    )

    test(
      "keeps an execution without language, result or usage",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const { language: _, ...tracked } = summary("a", { state: "tracked" })
        yield* put({ _tag: "Began", execution: tracked }, ended("a", { verdict: "Rejected" }))
        assert.deepStrictEqual(
          yield* store.find(id("a")),
          Option.some({ ...tracked, state: "ended" as const, endedAt: 2000, verdict: "Rejected" as const })
        )
      })
    )

    test(
      "lets the first beginning and the first end of an execution count",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("a"), began("a", { startedAt: 5 }))
        yield* put(ended("a", { verdict: "Killed", usage: usageOf(10) }), ended("a", { endedAt: 9 }))
        yield* put(ended("a", { verdict: "InternalError", usage: usageOf(10) }), began("a"))
        const found = Option.getOrThrow(yield* store.find(id("a")))
        assert.deepStrictEqual([found.startedAt, found.endedAt, found.verdict], [1000, 2000, "Killed"])
        assert.strictEqual((yield* store.usage({})).items[0]?.executions, 1)
      })
    )

    test(
      "takes an end as it comes: with its beginning, after it, or with a second beginning that counts for nothing",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const all = Array.from({ length: 100 }, (_, index) => `n${index}`)
        const early = all.slice(0, 70)
        const again = all.slice(60)
        const end = (name: string) => ended(name, { result: result(name), usage: usageOf(10) })
        yield* put(...early.map((name) => began(name)))
        yield* put(...again.map((name) => began(name, { startedAt: 5 })), ...all.map(end))
        yield* put(...all.flatMap((name) => [began(name), ended(name, { verdict: "Killed" })]))
        for (const name of all) {
          const expected = {
            ...summary(name, { startedAt: early.includes(name) ? 1000 : 5 }),
            state: "ended" as const,
            endedAt: 2000,
            verdict: "Completed" as const,
            result: result(name)
          }
          assert.deepStrictEqual(yield* store.find(id(name)), Option.some(expected))
        }
        const [used] = (yield* store.usage({})).items
        assert.deepStrictEqual([used?.userId, used?.executions, used?.sandboxMs], [user("ann"), 100, 1000])
      })
    )

    test(
      "gives one execution's events as they were written, oldest first, in pages",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const data = { list: [1, "two", null, { three: 3.5 }], text: "a\u0000b" }
        const mine = [
          happened("a", "execution_queued", data),
          ...Array.from({ length: 8 }, () => happened("a", "signal_sent")),
          happened("a", "execution_completed")
        ]
        yield* put(began("a"), began("b"), ...mine.flatMap((entry) => [entry, happened("b")]))
        const events = mine.flatMap((entry) => (entry._tag === "Happened" ? [entry.event] : []))
        assert.deepStrictEqual(
          yield* walk((cursor) => store.events(id("a"), { limit: 3, ...after(cursor) })),
          events
        )
        assert.deepStrictEqual(yield* store.events(id("a"), {}), { items: events })
        assert.deepStrictEqual(yield* store.events(id("a"), { limit: 10 }), { items: events })
        assert.deepStrictEqual(yield* store.events(id("c"), {}), { items: [] })
      })
    )

    test(
      "gives those of one execution's events that are asked for, also in pages",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const at = (timestamp: number, level: EventLevel, event: EventName): ExecutionEvent => ({
          ...eventOf("a", event),
          // What an event says of others is not what it is.
          message: '"level":"error"',
          timestamp,
          level
        })
        const events = [
          at(1000, "info", "execution_started"),
          at(2000, "warn", "signal_sent"),
          at(3000, "warn", "signal_sent"),
          at(4000, "error", "sandbox_leaked"),
          at(5000, "warn", "execution_timeout")
        ]
        yield* put(began("a"), ...events.map((event): Entry => ({ _tag: "Happened", event })))
        const timesOf = (query: EventQuery) =>
          Effect.map(
            walk((cursor) => store.events(id("a"), { ...query, limit: 2, ...after(cursor) })),
            (found) => found.map(({ timestamp }) => timestamp)
          )
        assert.deepStrictEqual(yield* timesOf({ level: "warn" }), [2000, 3000, 5000])
        assert.deepStrictEqual(yield* timesOf({ level: "error" }), [4000])
        assert.deepStrictEqual(yield* timesOf({ event: "signal_sent" }), [2000, 3000])
        assert.deepStrictEqual(yield* timesOf({ from: 2000, to: 5000 }), [2000, 3000, 4000])
        assert.deepStrictEqual(yield* timesOf({ level: "warn", from: 2000.5 }), [3000, 5000])
        assert.deepStrictEqual(yield* timesOf({ level: "info", event: "signal_sent" }), [])
      })
    )

    test(
      "lists executions newest first, those of one moment by name, each once over all pages",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(...["b", "d", "a", "C", "e"].map((name) => began(name)))
        yield* put(began("new", { startedAt: 3000 }), began("old", { startedAt: 1 }))
        const all = ["new", "e", "d", "b", "a", "C", "old"]
        for (const limit of [1, 2, 3, 7, 100]) {
          const listed = yield* walk((cursor) => store.list({ limit, ...after(cursor) }))
          assert.deepStrictEqual(names(listed), all, `limit ${limit}`)
        }
      })
    )

    test(
      "filters the list by user, state, verdict and time",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(
          began("a", { startedAt: 1 }),
          began("b", { startedAt: 2, userId: user("bob") }),
          began("c", { startedAt: 3, state: "queued" }),
          began("d", { startedAt: 4, userId: user("bob") }),
          ended("a", { verdict: "Killed" }),
          ended("b", { result: result("b") })
        )
        const listed = (query: Parameters<typeof store.list>[0]) =>
          Effect.map(store.list(query), ({ items }) => names(items))
        assert.deepStrictEqual(yield* listed({ userId: user("bob") }), ["d", "b"])
        assert.deepStrictEqual(yield* listed({ state: "running" }), ["d"])
        assert.deepStrictEqual(yield* listed({ state: "queued" }), ["c"])
        assert.deepStrictEqual(yield* listed({ state: "ended" }), ["b", "a"])
        assert.deepStrictEqual(yield* listed({ verdict: "Killed" }), ["a"])
        assert.deepStrictEqual(yield* listed({ verdict: "Completed", userId: user("bob") }), ["b"])
        assert.deepStrictEqual(yield* listed({ from: 2, to: 4 }), ["c", "b"])
        assert.deepStrictEqual(yield* listed({ userId: user("eve") }), [])
      })
    )

    test(
      "sums what each user used, by the user's name",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const users = ["bob", "ann", "Zoe", "cid"]
        yield* put(...users.map((name) => began(name, { userId: user(name) })), began("ann2"), began("none"))
        yield* put(
          ...users.map((name, index) => ended(name, { endedAt: 10 + index, usage: usageOf(1000) })),
          ended("ann2", { endedAt: 50, usage: usageOf(500) }),
          ended("none", { verdict: "Rejected" })
        )
        const usage = yield* walk((cursor) => store.usage({ limit: 3, ...after(cursor) }))
        assert.deepStrictEqual(
          usage.map(({ executions, userId }) => [userId as string, executions]),
          [
            ["Zoe", 1],
            ["ann", 2],
            ["bob", 1],
            ["cid", 1]
          ]
        )
        assert.deepStrictEqual((yield* store.usage({ userId: user("ann") })).items, [
          {
            userId: user("ann"),
            executions: 2,
            sandboxMs: 1500,
            vcpuSeconds: 3,
            gibSeconds: 0.75,
            artifactBytes: 6,
            costUsd: 0.0015
          }
        ])
        const late = yield* store.usage({ from: 12, to: 50 })
        assert.deepStrictEqual(
          late.items.map(({ userId }) => userId as string),
          ["Zoe", "cid"]
        )
      })
    )

    test(
      "gives an empty page for a cursor that it did not give out",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("a"), happened("a"), ended("a", { usage: usageOf(1) }))
        for (const cursor of ["", "nonsense", "!!", "WzFd", "W10", "bnVsbA"]) {
          assert.deepStrictEqual(yield* store.list({ cursor }), { items: [] })
          assert.deepStrictEqual(yield* store.events(id("a"), { cursor }), { items: [] })
          assert.deepStrictEqual(yield* store.usage({ cursor }), { items: [] })
        }
      })
    )

    test(
      "verifies what it wrote",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const verdict = (yield* store.verify) satisfies AuditVerification
        assert.deepStrictEqual([verdict.intact, verdict.checked], [true, 0])
        yield* put(began("a"), happened("a"), happened("a", "execution_completed"))
        const later = yield* store.verify
        assert.deepStrictEqual([later.intact, later.checked], [true, 2])
      })
    )

    test(
      "takes in what many fibers write at one time, each commit with all that came before it",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        const one = (index: number) =>
          Effect.gen(function* () {
            const name = `n${String(index).padStart(4, "0")}`
            yield* store.append([began(name), happened(name)])
            yield* store.append([
              happened(name, "execution_completed"),
              ended(name, { result: result(name) })
            ])
            yield* store.commit
            const found = Option.getOrThrow(yield* store.find(id(name)))
            assert.strictEqual(found.state, "ended")
            assert.strictEqual((yield* store.events(id(name), {})).items.length, 2)
          })
        yield* Effect.forEach(
          Array.from({ length: 300 }, (_, index) => index),
          one,
          { concurrency: 50 }
        )
        assert.deepStrictEqual((yield* store.verify).checked, 600)
      })
    )

    test(
      "has nothing unfinished of this life",
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("a"))
        assert.deepStrictEqual(yield* store.unfinished, [])
      })
    )
  })
