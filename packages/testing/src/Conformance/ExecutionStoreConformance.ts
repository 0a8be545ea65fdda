import type {
  AuditVerification,
  EventLevel,
  EventName,
  ExecutionEvent,
  ExecutionSummary,
  Page
} from "@bulkhead/domain"
import { type Entry, type EventQuery, ExecutionStore, type StoreFailure } from "@bulkhead/sandbox"
import { assert } from "@effect/vitest"
import { Effect, Layer, Option, type Scope } from "effect"
import * as Case from "./Case.js"
import {
  announced,
  began,
  beganWith,
  ended,
  eventOf,
  happened,
  id,
  networkUsageOf,
  put,
  result,
  summary,
  usageOf,
  user,
  webhook
} from "./Entries.js"

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

const { promises } = Case

/** What is found of an execution. Plain, since chai takes none and some for the same. */
const findPlain = (name: string) =>
  Effect.flatMap(ExecutionStore, ({ find }) => Effect.map(find(id(name)), Option.getOrUndefined))

/** What every `ExecutionStore` does. */
export const cases: ReadonlyArray<Case.Case<ExecutionStore>> = [
  promises(
    "finds an execution as it began, and as it ended",
    Effect.gen(function* () {
      assert.isUndefined(yield* findPlain("a"))
      yield* put(began("a", { state: "queued" }), happened("a", "execution_queued"))
      assert.deepStrictEqual(yield* findPlain("a"), summary("a", { state: "queued" }))
      yield* put(happened("a", "execution_completed"), ended("a", { result: result("a") }))
      assert.deepStrictEqual(yield* findPlain("a"), {
        ...summary("a"),
        state: "ended" as const,
        endedAt: 2000,
        verdict: "Completed" as const,
        result: result("a")
      })
    })
  ),
  promises(
    "keeps the image and the trace of an execution",
    Effect.gen(function* () {
      const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
      yield* put(began("a", { image: "data", traceId }), began("b"))
      assert.include(yield* findPlain("a"), { image: "data", traceId })
      assert.notProperty(yield* findPlain("b"), "image")
      assert.notProperty(yield* findPlain("b"), "traceId")
      const { items } = yield* Effect.flatMap(ExecutionStore, ({ list }) => list({}))
      assert.sameDeepMembers(
        items.map(({ image, traceId }) => [image, traceId]),
        [
          ["data", traceId],
          [undefined, undefined]
        ]
      )
    })
  ),
  promises(
    "keeps an execution without language, result or usage",
    Effect.gen(function* () {
      const { language: _, ...tracked } = summary("a", { state: "tracked" })
      yield* put({ _tag: "Began", execution: tracked }, ended("a", { verdict: "Rejected" }))
      assert.deepStrictEqual(yield* findPlain("a"), {
        ...tracked,
        state: "ended" as const,
        endedAt: 2000,
        verdict: "Rejected" as const
      })
    })
  ),
  promises(
    "takes what is announced, with a webhook and without one, whether or not it has an outbox",
    Effect.gen(function* () {
      yield* put(beganWith("a", webhook("a")), began("b"), announced("unknown"))
      yield* put(ended("a", { result: result("a") }), announced("a"), ended("b"), announced("b"))
      assert.deepInclude(yield* findPlain("a"), { state: "ended", result: result("a") })
      assert.deepInclude(yield* findPlain("b"), { state: "ended" })
    })
  ),
  promises(
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
  ),
  promises(
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
        assert.deepStrictEqual(yield* findPlain(name), expected)
      }
      const [used] = (yield* store.usage({})).items
      assert.deepStrictEqual([used?.userId, used?.executions, used?.sandboxMs], [user("ann"), 100, 1000])
    })
  ),
  promises(
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
  ),
  promises(
    "gives those of one execution's events that are asked for, also in pages",
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      const at = (timestamp: number, level: EventLevel, event: EventName): ExecutionEvent => ({
        ...eventOf("a", event),
        // What an event says of others is not what it is.
        message: '"level":"error" \\u0000 \0 \ud800',
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
  ),
  promises(
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
  ),
  promises(
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
  ),
  promises(
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
          gpuSeconds: 1.5,
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
  ),
  promises(
    "adds up what was used of the network, and says nothing of it where nobody counted",
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      const names = ["ann1", "ann2", "ann3", "bob1"]
      yield* put(
        ...names.flatMap((name) => [began(name, { userId: user(name.slice(0, 3)) }), happened(name)]),
        ended("ann1", { usage: networkUsageOf(1) }),
        ended("ann2", { usage: usageOf(1) }),
        ended("ann3", { usage: networkUsageOf(1) }),
        ended("bob1", { usage: usageOf(1) })
      )
      const [ann, bob] = (yield* store.usage({})).items
      assert.deepInclude(ann, {
        ...{ networkConnections: 4, networkDenied: 2, sentBytes: 20, receivedBytes: 2_000_000_000_000 }
      })
      assert.doesNotHaveAnyKeys(bob, ["networkConnections", "networkDenied", "sentBytes", "receivedBytes"])
    })
  ),
  promises(
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
  ),
  promises(
    "verifies what it wrote, and calls nothing intact that is not there",
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      const verdict = (yield* store.verify) satisfies AuditVerification
      assert.deepStrictEqual([verdict.intact, verdict.checked], [false, 0])
      yield* put(began("a"), happened("a"), happened("a", "execution_completed"))
      const later = yield* store.verify
      assert.deepStrictEqual([later.intact, later.checked], [true, 2])
    })
  ),
  promises(
    "takes in what many fibers write at one time, each commit with all that came before it",
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      const one = (index: number) =>
        Effect.gen(function* () {
          const name = `n${String(index).padStart(4, "0")}`
          yield* store.append([began(name), happened(name)])
          yield* store.append([happened(name, "execution_completed"), ended(name, { result: result(name) })])
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
  ),
  promises(
    "has nothing unfinished of this life",
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      yield* put(began("a"))
      assert.deepStrictEqual(yield* store.unfinished, [])
    })
  )
]

/** An empty place, and what opens it as often as it is provided: each time another life of the same instance. */
export type Place<E> = Effect.Effect<Layer.Layer<ExecutionStore, E>, E, Scope.Scope>

/** What an `ExecutionStore` does whose record outlives it. */
export const durableCases = <E>(place: Place<E>): ReadonlyArray<Case.Case<never>> => [
  promises(
    "has everything when it is opened again, and verifies it",
    Effect.gen(function* () {
      const layer = yield* place
      yield* Effect.provide(put(began("a"), happened("a"), ended("a", { result: result("a") })), layer)
      const later = Effect.gen(function* () {
        const store = yield* ExecutionStore
        assert.deepStrictEqual(Option.getOrThrow(yield* store.find(id("a"))).result, result("a"))
        yield* put(began("b"), happened("b"))
        const { checked, intact } = yield* store.verify
        assert.deepStrictEqual([intact, checked], [true, 2])
      })
      yield* Effect.provide(later, layer)
    })
  ),
  promises(
    "writes at the scope's end what nobody committed",
    Effect.gen(function* () {
      const layer = yield* place
      const entries = Array.from({ length: 2000 }, (_, index) => [began(`n${index}`), happened(`n${index}`)])
      const appended = Effect.flatMap(ExecutionStore, ({ append }) => Effect.forEach(entries, append))
      yield* Effect.provide(appended, layer)
      const { checked, intact } = yield* Effect.provide(
        Effect.flatMap(ExecutionStore, (store) => store.verify),
        layer
      )
      assert.deepStrictEqual([intact, checked], [true, 2000])
    })
  ),
  promises(
    "gives what an earlier life began and never ended, until it is ended",
    Effect.gen(function* () {
      const layer = yield* place
      const earlier = put(began("a"), began("b", { startedAt: 5 }), began("c"), ended("c"))
      yield* Effect.provide(earlier, layer)
      const later = Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* put(began("mine"))
        assert.sameDeepMembers([...(yield* store.unfinished)], [summary("b", { startedAt: 5 }), summary("a")])
        yield* put(happened("a", "execution_failed"), ended("a"), ended("b"))
        assert.deepStrictEqual(yield* store.unfinished, [])
      })
      yield* Effect.provide(later, layer)
    })
  )
]

export interface ExecutionStoreOptions<E> extends Case.SuiteOptions {
  /** For a store whose record outlives it. */
  readonly durable?: Place<E>
}

/** Registers a test for each promise of an `ExecutionStore`. Each time the layer is built, the store must be empty. */
export const suite = <E, E2 = never>(
  title: string,
  layer: Layer.Layer<ExecutionStore, E>,
  options: ExecutionStoreOptions<E2> = {}
): void => {
  Case.register(title, cases, layer, options)
  if (options.durable)
    Case.register(`${title}, opened again`, durableCases(options.durable), Layer.empty, options)
}
