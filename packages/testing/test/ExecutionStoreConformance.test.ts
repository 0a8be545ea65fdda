import { ExecutionStore, MemoryExecutionStore } from "@bulkhead/sandbox"
import { Case, ExecutionStoreConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Layer, Option } from "effect"

type Store = Context.Tag.Service<ExecutionStore>

const memory = MemoryExecutionStore.layer()

const changed = (change: (store: Store) => Partial<Store>) =>
  Layer.effect(
    ExecutionStore,
    Effect.map(ExecutionStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(memory))

const rows: ReadonlyArray<readonly [string, Layer.Layer<ExecutionStore>, string]> = [
  [
    "that loses results",
    changed(({ find }) => ({
      find: (id) =>
        Effect.map(
          find(id),
          Option.map(({ result: _, ...execution }) => execution)
        )
    })),
    "finds an execution as it began, and as it ended"
  ],
  [
    "that forgets the image",
    changed(({ find }) => ({
      find: (id) =>
        Effect.map(
          find(id),
          Option.map(({ image: _, ...execution }) => execution)
        )
    })),
    "keeps the image and the trace of an execution"
  ],
  [
    "that forgets the trace",
    changed(({ list }) => ({
      list: (query) =>
        Effect.map(list(query), ({ items, ...page }) => ({
          ...page,
          items: items.map(({ traceId: _, ...execution }) => execution)
        }))
    })),
    "keeps the image and the trace of an execution"
  ],
  [
    "that says it has written what it has not",
    changed(({ append }) => ({
      append: (entries) => Effect.asVoid(Effect.forkDaemon(Effect.delay(append(entries), "10 millis")))
    })),
    "finds an execution as it began, and as it ended"
  ],
  [
    "that counts an execution's usage again with each end",
    changed(({ usage }) => ({
      usage: (query) =>
        Effect.map(usage(query), ({ items, ...page }) => ({
          ...page,
          items: items.map((used) => ({ ...used, executions: used.executions + 1 }))
        }))
    })),
    "lets the first beginning and the first end of an execution count"
  ],
  [
    "that lists the oldest first",
    changed(({ list }) => ({
      list: (query) =>
        Effect.map(list(query), ({ items, ...page }) => ({ ...page, items: items.toReversed() }))
    })),
    "lists executions newest first, those of one moment by name, each once over all pages"
  ],
  [
    "that begins anew with each page",
    changed(({ events }) => ({ events: (id, { cursor: _, ...query }) => events(id, query) })),
    "gives an empty page for a cursor that it did not give out"
  ],
  [
    "that gives all events, whatever is asked",
    changed(({ events }) => ({
      events: (id, { cursor, limit }) =>
        events(id, { ...(cursor ? { cursor } : {}), ...(limit ? { limit } : {}) })
    })),
    "gives those of one execution's events that are asked for, also in pages"
  ],
  [
    "that lists whoever's executions",
    changed(({ list }) => ({ list: ({ userId: _, ...query }) => list(query) })),
    "filters the list by user, state, verdict and time"
  ],
  [
    "that does not count what it verifies",
    changed(() => ({ verify: Effect.succeed({ intact: true, checked: 0, chains: [] }) })),
    "verifies what it wrote, and calls nothing intact that is not there"
  ],
  [
    "that makes up a language",
    changed(({ find }) => ({
      find: (id) =>
        Effect.map(
          find(id),
          Option.map((found) => ({ language: "python" as const, ...found }))
        )
    })),
    "keeps an execution without language, result or usage"
  ],
  [
    "that loses what comes with an announcement",
    changed(({ append }) => ({
      append: (entries) => append(entries.some(({ _tag }) => _tag === "Announced") ? [] : entries)
    })),
    "takes what is announced, with a webhook and without one, whether or not it has an outbox"
  ],
  [
    "that drops an end that comes with its beginning",
    changed(({ append }) => ({
      append: (entries) =>
        append(
          entries.some(({ _tag }) => _tag === "Began")
            ? entries.filter(({ _tag }) => _tag !== "Ended")
            : entries
        )
    })),
    "takes an end as it comes: with its beginning, after it, or with a second beginning that counts for nothing"
  ],
  [
    "that gives the newest event first",
    changed(({ events }) => ({
      events: (id, query) =>
        Effect.map(events(id, query), ({ items, ...page }) => ({ ...page, items: items.toReversed() }))
    })),
    "gives one execution's events as they were written, oldest first, in pages"
  ],
  [
    "that counts all usage, whenever it was",
    changed(({ usage }) => ({ usage: ({ from: _, to: __, ...query }) => usage(query) })),
    "sums what each user used, by the user's name"
  ],
  [
    "that makes up a zero where nobody counted",
    changed(({ usage }) => ({
      usage: (query) =>
        Effect.map(usage(query), ({ items, ...page }) => ({
          ...page,
          items: items.map((used) => ({ networkConnections: 0, ...used }))
        }))
    })),
    "adds up what was used of the network, and says nothing of it where nobody counted"
  ],
  [
    "that has room for a hundred",
    MemoryExecutionStore.layer({ executions: 100 }),
    "takes in what many fibers write at one time, each commit with all that came before it"
  ],
  [
    "that takes what runs for unfinished",
    changed(({ list }) => ({ unfinished: Effect.map(list({ state: "running" }), ({ items }) => items) })),
    "has nothing unfinished of this life"
  ]
]

describe("the suite finds a store out", () => {
  for (const [what, layer, promise] of rows)
    it.live(what, () =>
      Effect.gen(function* () {
        const cases = ExecutionStoreConformance.cases.filter((it) => it.promise === promise)
        assert.deepStrictEqual(yield* Case.broken(cases, layer, { timeout: 5000 }), [promise])
      })
    )

  it("by each of its promises", () => {
    assert.sameMembers(
      [...new Set(rows.map(([, , promise]) => promise))],
      ExecutionStoreConformance.cases.map(({ promise }) => promise)
    )
  })

  it.live("that is gone with its life, where it should last", () =>
    Effect.gen(function* () {
      const cases = ExecutionStoreConformance.durableCases(Effect.succeed(memory))
      const broken = yield* Case.broken(cases, Layer.empty, { timeout: 5000 })
      assert.deepStrictEqual(
        broken,
        cases.map(({ promise }) => promise)
      )
    })
  )
})
