import { UserId, type Webhook, type WebhookDelivery, type WebhookMessageState } from "@bulkhead/domain"
import {
  ExecutionStore,
  MemoryExecutionStore,
  mostPending,
  Outbox,
  type UserWebhooks,
  Webhooks
} from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Queue, Ref, TestClock } from "effect"
import { Webhook as Verifier } from "standardwebhooks"
import { DeliveryFailure, type Post, Receiver, WebhookSender } from "../src/index.js"

const { announced, beganWith, ended, id, put, result, user } = Entries

const told = (host: string, path = ""): Webhook => ({
  url: `https://${host}.example.com/${path}`,
  events: ["execution.completed"]
})

const end = (name: string, webhook: Webhook, owner = "ann") =>
  Effect.flatMap(Clock.currentTimeMillis, (at) =>
    put(
      beganWith(name, webhook, { userId: UserId.make(owner) }),
      ended(name, { result: result(name) }),
      announced(name, "execution.completed", { at, result: result(name) })
    )
  )

type Answer = Effect.Effect<number, DeliveryFailure>

/** Receivers that answer as they are told, and what they were sent. */
const make = Effect.gen(function* () {
  const posts = yield* Queue.unbounded<Post>()
  const answer = yield* Ref.make<(post: Post) => Answer>(() => Effect.succeed(200))
  const receiver = Receiver.of({
    post: (post) =>
      Effect.zipRight(
        Queue.offer(posts, post),
        Effect.flatMap(Ref.get(answer), (answer) => answer(post))
      )
  })
  return { posts, answer, receiver }
})

const test = <A, E>(
  body: (
    receivers: Effect.Effect.Success<typeof make>
  ) => Effect.Effect<A, E, ExecutionStore | Outbox | UserWebhooks | Webhooks>,
  options: WebhookSender.WebhookSenderOptions = {}
) =>
  // The verifier looks at the real clock.
  Effect.flatMap(Effect.zipRight(TestClock.setTime(Date.now()), make), (receivers) =>
    Effect.provide(
      body(receivers),
      WebhookSender.layerTo(options).pipe(
        Layer.provide(Layer.succeed(Receiver, receivers.receiver)),
        Layer.provideMerge(MemoryExecutionStore.layer())
      )
    )
  )

const idOf = ({ headers }: Post) => headers["webhook-id"] ?? ""

/** Lets so many seconds pass, in steps in which everything gets its turn. */
const pass = (seconds: number) => Effect.repeatN(TestClock.adjust("1 second"), seconds - 1)

const theMessage = Effect.gen(function* () {
  const { list } = yield* Outbox
  const [message] = (yield* list({})).items
  return message ?? (yield* Effect.dieMessage("there is no message"))
})

/** Lets time pass until the message is like that. */
const awaitMessage = (what: string, isSo: (message: WebhookDelivery) => boolean) =>
  Effect.gen(function* () {
    for (let second = 0; second < 100; second++) {
      const message = yield* theMessage
      if (isSo(message)) return message
      yield* TestClock.adjust("1 second")
    }
    return yield* Effect.dieMessage(`the message was never ${what}`)
  })

const awaitState = (wanted: WebhookMessageState) => awaitMessage(wanted, ({ state }) => state === wanted)
const awaitOutcome = (words: string) => awaitMessage(words, ({ outcome }) => outcome === words)

describe("WebhookSender", () => {
  it.effect("signs what it sends as the library's own verifier takes it", () =>
    test(({ posts }) =>
      Effect.gen(function* () {
        const webhooks = yield* Webhooks
        yield* end("a", told("x", "hook"))
        yield* pass(1)
        const post = yield* Queue.take(posts)
        assert.strictEqual(post.url, "https://x.example.com/hook")
        const { secret } = yield* webhooks.secret(user("ann"))
        assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
        const body = new Verifier(secret).verify(post.body, post.headers) as { type: string }
        assert.strictEqual(body.type, "execution.completed")
        const other = yield* webhooks.secret(user("bob"))
        assert.throws(() => new Verifier(other.secret).verify(post.body, post.headers))
        assert.throws(() => new Verifier(secret).verify(`${post.body} `, post.headers))
        yield* awaitState("delivered")
        const { events } = yield* ExecutionStore
        const [event, ...others] = (yield* events(id("a"), { event: "webhook_delivered" })).items
        assert.deepStrictEqual(others, [])
        assert.strictEqual(event?.message, "A message to a webhook was delivered: answered 200")
        assert.deepInclude(event?.data, { messageId: idOf(post), attempts: 1, receiver: "x.example.com" })
      })
    )
  )

  it.effect("signs with both secrets after a rotation, until the old one's time is over", () =>
    test(({ answer, posts }) =>
      Effect.gen(function* () {
        const webhooks = yield* Webhooks
        yield* Ref.set(answer, () => Effect.succeed(500))
        const before = yield* webhooks.secret(user("ann"))
        const after = yield* webhooks.rotateSecret(user("ann"), 1)
        assert.strictEqual(after.previous, before.secret)
        assert.notStrictEqual(after.secret, before.secret)
        yield* end("a", told("x"))
        yield* pass(1)
        const { body, headers } = yield* Queue.take(posts)
        assert.strictEqual(headers["webhook-signature"]?.split(" ").length, 2)
        for (const { secret } of [before, after]) new Verifier(secret).verify(body, headers)
        const revoked = yield* webhooks.rotateSecret(user("ann"), 0)
        yield* pass(10)
        const later = (yield* Queue.takeAll(posts)).pipe((posts) => [...posts].at(-1))
        assert.strictEqual(later?.headers["webhook-signature"]?.split(" ").length, 1)
        new Verifier(revoked.secret).verify(later?.body ?? "", later?.headers ?? {})
      })
    )
  )

  it.effect("gives up when the time is over, keeps the message, and says so once in the log", () =>
    test(
      ({ answer }) =>
        Effect.gen(function* () {
          const { counts } = yield* Outbox
          const store = yield* ExecutionStore
          yield* Ref.set(answer, () => Effect.succeed(500))
          yield* end("a", told("x"))
          const message = yield* awaitState("failed")
          assert.strictEqual(message.outcome, "answered 500")
          assert.isAbove(message.attempts, 2)
          assert.deepStrictEqual(yield* counts, { pending: 0, failed: 1, delivered: 0 })
          const [event, ...others] = (yield* store.events(id("a"), { event: "webhook_failed" })).items
          assert.deepStrictEqual(others, [])
          assert.strictEqual(event?.message, "A message to a webhook was given up: answered 500")
          assert.notInclude(JSON.stringify(event), "https://")
        }),
      { patience: "20 seconds" }
    )
  )

  it.effect("sends again what failed, with the same id, and tells who asks for another", () =>
    test(({ answer, posts }) =>
      Effect.gen(function* () {
        const webhooks = yield* Webhooks
        yield* Ref.set(answer, () => Effect.succeed(410))
        yield* end("a", told("x"))
        yield* pass(1)
        const first = yield* Queue.take(posts)
        yield* awaitState("failed")
        yield* Ref.set(answer, () => Effect.succeed(200))
        yield* webhooks.resend(idOf(first))
        yield* pass(1)
        const again = yield* Queue.take(posts)
        assert.deepStrictEqual([idOf(again), again.body], [idOf(first), first.body])
        yield* awaitState("delivered")
        const missing = yield* Effect.flip(webhooks.resend(idOf(first)))
        assert.strictEqual(missing._tag, "WebhookMessageNotFound")
      })
    )
  )

  it.effect("gives a try 15 seconds, and takes a failure or a mistake of its own for one more try", () =>
    test(({ answer, posts }) =>
      Effect.gen(function* () {
        yield* Ref.set(answer, () => Effect.never)
        yield* end("a", told("x"))
        yield* pass(14)
        assert.strictEqual((yield* Queue.takeAll(posts)).length, 1)
        assert.isUndefined((yield* theMessage).outcome)
        yield* Ref.set(answer, () => Effect.dieMessage("a mistake"))
        yield* awaitOutcome("no answer within 15s")
        yield* awaitOutcome("a mistake of the sender's own")
        yield* Ref.set(answer, () => new DeliveryFailure({ message: "its name is unknown" }))
        yield* awaitOutcome("its name is unknown")
        yield* Ref.set(answer, () => Effect.succeed(202))
        yield* awaitOutcome("answered 202")
        assert.strictEqual((yield* theMessage).state, "delivered")
      })
    )
  )

  it.effect("lets slow receivers hold up nobody else's messages, however many there are", () =>
    test(({ answer, posts }) =>
      Effect.gen(function* () {
        yield* Ref.set(answer, ({ url }) => (url.includes("slow") ? Effect.never : Effect.succeed(200)))
        // One receiver of many users, and one user with many receivers.
        for (let index = 0; index < 40; index++) yield* end(`s${index}`, told("slow"), `user${index}`)
        for (let index = 0; index < 40; index++) yield* end(`m${index}`, told(`slow${index}`), "mallory")
        yield* pass(1)
        const slow = (yield* Queue.takeAll(posts)).length
        assert.strictEqual(slow, 4 + 8)
        for (let index = 0; index < 30; index++) yield* end(`q${index}`, told("quick"), `other${index}`)
        yield* pass(2)
        assert.strictEqual((yield* Queue.takeAll(posts)).length, 30)
        const { counts } = yield* Outbox
        assert.deepStrictEqual(yield* counts, { pending: 80, failed: 0, delivered: 30 })
      })
    )
  )

  it.effect("has no more under way at once than it may", () =>
    test(
      ({ answer, posts }) =>
        Effect.gen(function* () {
          yield* Ref.set(answer, () => Effect.never)
          for (let index = 0; index < 20; index++) yield* end(`s${index}`, told(`x${index}`), `user${index}`)
          yield* pass(3)
          assert.strictEqual((yield* Queue.takeAll(posts)).length, 5)
        }),
      { concurrency: 5 }
    )
  )

  it.effect("says in the log which messages were refused since too many wait", () =>
    test(({ answer }) =>
      Effect.gen(function* () {
        const store = yield* ExecutionStore
        yield* Ref.set(answer, () => Effect.never)
        for (let index = 0; index <= mostPending; index++) yield* end(`m${index}`, told("x"))
        yield* pass(6)
        const last = yield* store.events(id(`m${mostPending}`), { event: "webhook_failed" })
        assert.strictEqual(
          last.items[0]?.message,
          `A message to a webhook was given up: the user has ${mostPending} that wait`
        )
      })
    )
  )

  it.effect("takes no standing webhook that it would not send to, and says which", () =>
    test(() =>
      Effect.gen(function* () {
        const webhooks = yield* Webhooks
        const inside = { ...told("x"), url: "http://127.0.0.1:9000/" }
        const refused = yield* Effect.flip(webhooks.setStanding(user("ann"), [told("x"), inside]))
        assert.strictEqual(refused.message, "webhooks.1: expected a public address, not one inside")
        assert.deepStrictEqual(yield* webhooks.standing(user("ann")), [])
        yield* webhooks.setStanding(user("ann"), [told("x")])
        assert.deepStrictEqual(yield* webhooks.standing(user("ann")), [told("x")])
      })
    )
  )
})
