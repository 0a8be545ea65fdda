import {
  Announcement,
  type DueQuery,
  type ExecutionStore,
  mostPending,
  Outbox,
  UserWebhooks
} from "@bulkhead/sandbox"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope } from "effect"
import * as Case from "./Case.js"
import { announced, began, beganWith, ended, id, put, result, summary, user, webhook } from "./Entries.js"

type Ports = ExecutionStore | Outbox | UserWebhooks

const { promises } = Case

/** What is due long after everything was written. */
const due = (query: Partial<DueQuery> = {}) =>
  Effect.flatMap(Outbox, (outbox) =>
    outbox.due({
      now: 1_000_000,
      limit: 100,
      each: 100,
      except: [],
      busyUsers: [],
      busyReceivers: [],
      ...query
    })
  )

const settle = (messageId: string, state: "pending" | "delivered" | "failed", nextAt?: number) =>
  Effect.flatMap(Outbox, (outbox) =>
    outbox.settle({ messageId, state, attempts: 1, at: 3000, words: "tried", ...(nextAt ? { nextAt } : {}) })
  )

const pathsOf = (messages: ReadonlyArray<{ readonly url: string }>) =>
  messages.map(({ url }) => new URL(url).pathname.slice(1))

const end = (name: string) => [ended(name, { result: result(name) }), announced(name)]

const parsed = (body: string | undefined) => JSON.parse(body ?? "null")

/** What every outbox does, together with its `ExecutionStore` and its `UserWebhooks`. */
export const cases: ReadonlyArray<Case.Case<Ports>> = [
  promises(
    "makes a message of an end for the execution's own webhook, written together with the end",
    Effect.gen(function* () {
      const told = result("a")
      const shown = { image: "data", traceId: "4bf92f3577b34da6a3ce929d0e0e4736" }
      yield* put(beganWith("a", webhook("a"), shown), began("b"))
      assert.deepStrictEqual(yield* due(), [])
      yield* put(
        ended("a", { result: told }),
        announced("a", "execution.completed", { verdict: "Completed", result: told }),
        ...end("b")
      )
      const [message, ...others] = yield* due()
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(
        [message?.executionId, message?.userId, message?.url, message?.receiver, message?.attempts],
        [id("a"), user("ann"), "https://example.com/a", "example.com", 0]
      )
      assert.deepStrictEqual(parsed(message?.body), {
        type: "execution.completed",
        timestamp: "1970-01-01T00:00:02.000Z",
        data: {
          execution: {
            ...summary("a", shown),
            state: "ended",
            endedAt: 2000,
            verdict: "Completed"
          },
          result: JSON.parse(JSON.stringify(told)),
          cut: []
        }
      })
    })
  ),
  promises(
    "tells the standing webhooks of the user, each of its events",
    Effect.gen(function* () {
      const users = yield* UserWebhooks
      yield* users.setStanding(user("ann"), [
        webhook("ends"),
        webhook("all", ["execution.queued", "execution.started", "execution.completed"])
      ])
      yield* put(began("a"), announced("a", "execution.queued", { at: 1 }))
      yield* put(announced("a", "execution.started", { at: 2 }), ...end("a"))
      yield* put(began("b", { userId: user("bob") }), ...end("b"))
      const messages = yield* due()
      assert.sameMembers(
        messages.map(({ event, url }) => `${event} ${new URL(url).pathname}`),
        [
          "execution.queued /all",
          "execution.started /all",
          "execution.completed /all",
          "execution.completed /ends"
        ]
      )
      const states = messages.map(({ body }) => parsed(body).data.execution.state)
      assert.sameMembers(states, ["queued", "starting", "ended", "ended"])
      assert.deepStrictEqual(yield* users.standing(user("ann")), [
        webhook("ends"),
        webhook("all", ["execution.queued", "execution.started", "execution.completed"])
      ])
      yield* users.setStanding(user("ann"), [])
      assert.deepStrictEqual(yield* users.standing(user("ann")), [])
      yield* put(began("c"), ...end("c"))
      assert.strictEqual((yield* due()).length, 4)
    })
  ),
  promises(
    "writes a message once, with the same id, however often it is announced",
    Effect.gen(function* () {
      yield* put(beganWith("a", webhook("a")), ...end("a"), ...end("a"))
      yield* put(...end("a"))
      const [message, ...others] = yield* due()
      assert.deepStrictEqual(others, [])
      const announcement = { executionId: id("a"), event: "execution.completed", at: 1 } as const
      assert.strictEqual(message?.messageId, Announcement.messageIdOf(announcement, "https://example.com/a"))
      yield* settle(message?.messageId ?? "", "delivered")
      yield* put(...end("a"))
      assert.deepStrictEqual(yield* due(), [])
    })
  ),
  promises(
    "gives a message until it is settled, from its time on, and not while it is being sent",
    Effect.gen(function* () {
      yield* put(beganWith("a", webhook("a")), ...end("a"))
      assert.deepStrictEqual(yield* due({ now: 1999 }), [])
      const [message] = yield* due({ now: 2000 })
      const messageId = message?.messageId ?? ""
      assert.deepStrictEqual(yield* due({ except: [messageId] }), [])
      assert.deepStrictEqual(yield* due({ busyUsers: [user("ann")] }), [])
      assert.deepStrictEqual(yield* due({ busyReceivers: ["example.com"] }), [])
      assert.strictEqual((yield* due({ busyUsers: [user("bob")], except: ["x"] })).length, 1)
      yield* settle(messageId, "pending", 5000)
      assert.deepStrictEqual(yield* due({ now: 4999 }), [])
      const [again] = yield* due({ now: 5000 })
      assert.deepStrictEqual([again?.attempts, again?.body], [1, message?.body])
      yield* settle(messageId, "delivered")
      assert.deepStrictEqual(yield* due(), [])
      yield* settle(messageId, "failed")
      const outbox = yield* Outbox
      assert.deepStrictEqual(yield* outbox.counts, { pending: 0, failed: 0, delivered: 1 })
    })
  ),
  promises(
    "lets nobody's many messages come before the first of somebody else's",
    Effect.gen(function* () {
      const many = Array.from({ length: 50 }, (_, index) => `m${index}`)
      for (const name of many) yield* put(beganWith(name, webhook(name)), ...end(name))
      yield* put(
        beganWith("late", webhook("late"), { userId: user("bob") }),
        announced("late", "execution.completed", { at: 9000 })
      )
      assert.include(pathsOf(yield* due({ limit: 2 })), "late")
      assert.strictEqual((yield* due({ each: 3 })).length, 4)
    })
  ),
  promises(
    "refuses what comes when a user has as many that wait as may be, says so once, and nobody else's",
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const many = Array.from({ length: mostPending + 2 }, (_, index) => `m${index}`)
      yield* put(...many.flatMap((name) => [beganWith(name, webhook(name)), announced(name)]))
      yield* put(beganWith("b", webhook("b"), { userId: user("bob") }), announced("b"))
      assert.deepStrictEqual(yield* outbox.counts, { pending: mostPending + 1, failed: 2, delivered: 0 })
      const refused = yield* outbox.refused(10)
      assert.strictEqual(refused.length, 2)
      assert.isEmpty(
        (yield* due({ limit: 5000, each: 5000 })).filter(({ messageId }) =>
          refused.some((each) => each.messageId === messageId)
        )
      )
      for (const { messageId } of refused) yield* settle(messageId, "failed")
      assert.deepStrictEqual(yield* outbox.refused(10), [])
      assert.deepStrictEqual(yield* outbox.counts, { pending: mostPending + 1, failed: 2, delivered: 0 })
    })
  ),
  promises(
    "lists messages newest first, each once over all pages, by user and by state, and sends again what failed",
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const names = ["a", "b", "c", "d", "e"]
      for (const [index, name] of names.entries())
        yield* put(beganWith(name, webhook(name)), announced(name, "execution.completed", { at: index }))
      yield* put(beganWith("z", webhook("z"), { userId: user("bob") }), announced("z"))
      const pages: Array<string> = []
      let page = yield* outbox.list({ limit: 2, userId: user("ann") })
      pages.push(...pathsOf(page.items))
      while (page.nextCursor !== undefined) {
        page = yield* outbox.list({ limit: 2, userId: user("ann"), cursor: page.nextCursor })
        pages.push(...pathsOf(page.items))
      }
      assert.deepStrictEqual(pages, ["e", "d", "c", "b", "a"])
      assert.deepStrictEqual(yield* outbox.list({ cursor: "!!" }), { items: [] })
      const [first] = yield* due({ limit: 1 })
      const messageId = first?.messageId ?? ""
      assert.isFalse(yield* outbox.resend(messageId, 7000))
      yield* settle(messageId, "failed")
      const failed = (yield* outbox.list({ state: "failed" })).items
      assert.deepStrictEqual(pathsOf(failed), ["a"])
      assert.deepInclude(failed[0], { state: "failed", attempts: 1, settledAt: 3000, outcome: "tried" })
      assert.isFalse(yield* outbox.resend("unknown", 7000))
      assert.isTrue(yield* outbox.resend(messageId, 7000))
      const again = (yield* due()).find((message) => message.messageId === messageId)
      assert.deepStrictEqual([again?.attempts, again?.since, again?.body], [0, 7000, first?.body])
      assert.deepStrictEqual((yield* outbox.list({ state: "failed" })).items, [])
    })
  ),
  promises(
    "wakes whoever waits for messages, and nobody where none came",
    Effect.gen(function* () {
      const outbox = yield* Outbox
      const waiting = yield* Effect.fork(outbox.arrived)
      yield* put(began("b"), ...end("b"))
      assert.isNull(
        yield* Fiber.poll(waiting).pipe(Effect.map((exit) => (exit._tag === "None" ? null : exit)))
      )
      yield* put(beganWith("a", webhook("a")), ...end("a"))
      yield* Fiber.join(waiting)
      assert.strictEqual((yield* due()).length, 1)
    })
  ),
  promises(
    "keeps the first secret that it is given, and the one before the newest for as long as it is told",
    Effect.gen(function* () {
      const users = yield* UserWebhooks
      yield* users.setStanding(user("ann"), [webhook("a")])
      assert.deepStrictEqual(yield* users.secret(user("ann"), "one"), { secret: "one" })
      assert.deepStrictEqual(yield* users.secret(user("ann"), "two"), { secret: "one" })
      const rotated = { secret: "three", previous: "one", previousUntil: 5000 }
      assert.deepStrictEqual(yield* users.rotate(user("ann"), "three", 5000), rotated)
      assert.deepStrictEqual(yield* users.secret(user("ann"), "four"), rotated)
      assert.deepStrictEqual(yield* users.secret(user("bob"), "five"), { secret: "five" })
      assert.deepStrictEqual(yield* users.rotate(user("cid"), "six", 5000), { secret: "six" })
      assert.deepStrictEqual(yield* users.standing(user("ann")), [webhook("a")])
    })
  )
]

/** An empty place, and what opens it as often as it is provided: each time another life of the same instance. */
export type Place<E> = Effect.Effect<Layer.Layer<Ports, E>, E, Scope.Scope>

/** What an outbox does whose messages outlive it. */
export const durableCases = <E>(place: Place<E>): ReadonlyArray<Case.Case<never>> => [
  promises(
    "gives the messages of an earlier life when they are taken over, in the same words",
    Effect.gen(function* () {
      const layer = yield* place
      const [before] = yield* Effect.provide(
        Effect.zipRight(put(beganWith("a", webhook("a")), ...end("a")), due()),
        layer
      )
      assert.isDefined(before)
      const later = Effect.gen(function* () {
        const outbox = yield* Outbox
        assert.deepStrictEqual(yield* due(), [])
        assert.strictEqual(yield* outbox.adopt, 1)
        yield* outbox.arrived
        assert.deepStrictEqual(yield* due(), before === undefined ? [] : [before])
        assert.strictEqual(yield* outbox.adopt, 0)
      })
      yield* Effect.provide(later, layer)
    })
  ),
  promises(
    "tells the webhook of an execution that an earlier life began",
    Effect.gen(function* () {
      const layer = yield* place
      yield* Effect.provide(put(beganWith("a", webhook("a"))), layer)
      const later = Effect.gen(function* () {
        yield* put(...end("a"))
        assert.deepStrictEqual(pathsOf(yield* due()), ["a"])
      })
      yield* Effect.provide(later, layer)
    })
  )
]

export interface OutboxOptions<E> extends Case.SuiteOptions {
  /** For one whose messages outlive it. */
  readonly durable?: Place<E>
}

/** Registers a test for each promise of an `Outbox`. Each time the layer is built, all of it must be empty. */
export const suite = <E, E2 = never>(
  title: string,
  layer: Layer.Layer<Ports, E>,
  options: OutboxOptions<E2> = {}
): void => {
  Case.register(title, cases, layer, options)
  if (options.durable)
    Case.register(`${title}, opened again`, durableCases(options.durable), Layer.empty, options)
}
