import { ExecutionId, UserId } from "@bulkhead/domain"
import { defaultLimits, Limits, LimitsInForce } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Queue, Ref } from "effect"
import { Answer, Over, OwnerClient, SessionId, type Sync, type SyncAnswer } from "../src/index.js"
import * as OwnerTalk from "../src/OwnerTalk.js"

interface Question {
  readonly told: Sync
  readonly answer: Deferred.Deferred<SyncAnswer>
}

/** An owner whose answers the test gives. */
const owner = (questions: Queue.Queue<Question>) =>
  Layer.succeed(OwnerClient, {
    sync: (told) =>
      Effect.gen(function* () {
        if (told.isOver) return new Over({ epoch: told.epoch })
        const answer = yield* Deferred.make<SyncAnswer>()
        yield* Queue.offer(questions, { told, answer })
        return yield* Deferred.await(answer)
      }),
    look: () => Effect.never,
    adjust: () => Effect.never
  })

const answerTo = ({ told }: Question, more: Partial<Answer>) =>
  new Answer({
    epoch: 1,
    version: told.version,
    granted: [],
    denied: [],
    queued: [],
    revoked: [],
    ...more
  })

const limitsOf = (version: number) => ({
  version,
  values: { ...defaultLimits, maxConcurrentSandboxes: version }
})

describe("what a replica is told by the owner of admission", () => {
  it.scoped("counts by its version, in whatever order it comes", () =>
    Effect.gen(function* () {
      const questions = yield* Queue.unbounded<Question>()
      const inForce = LimitsInForce.layer.pipe(Layer.provide(Layer.succeed(Limits, defaultLimits)))
      const context = yield* Layer.build(Layer.merge(owner(questions), inForce))
      yield* Effect.gen(function* () {
        const session = { id: SessionId.make("one"), instance: "one" }
        const { places, tell } = yield* OwnerTalk.make({ session })
        const first = yield* Queue.take(questions)
        yield* Deferred.succeed(first.answer, answerTo(first, {}))
        const patient = yield* Queue.take(questions)

        const who = { executionId: ExecutionId.make("exec_1"), userId: UserId.make("ann") }
        const entry = yield* places.add(who, false)
        yield* tell
        const later = yield* Queue.take(questions)
        const queued = { number: entry.place.number, ticket: 1, ahead: 0 }
        yield* Deferred.succeed(later.answer, answerTo(later, { queued: [queued], limits: limitsOf(2) }))
        yield* Deferred.await(entry.queued)
        yield* Queue.take(questions)

        const granted = [entry.place.number]
        yield* Deferred.succeed(patient.answer, answerTo(patient, { granted, limits: limitsOf(1) }))
        yield* Deferred.await(entry.turn)
        assert.strictEqual((yield* Ref.get(yield* LimitsInForce)).maxConcurrentSandboxes, 2)
      }).pipe(Effect.provide(context))
    })
  )
})
