import { ExecutionId, type ExecutionNotFound, type ExecutionUpdate } from "@bulkhead/domain"
import {
  Admission,
  type Admittee,
  type Entry,
  ExecutionStore,
  Outbox,
  Sandbox,
  SandboxFailure,
  SandboxProvider,
  SandboxService,
  SandboxSupply,
  type StoreFailure
} from "@bulkhead/sandbox"
import type { Simulation } from "@bulkhead/testing"
import { Deferred, Effect, Fiber, Layer, Mailbox, Scope, Stream } from "effect"

type Parts = Simulation.Parts

/** Every permit is given back twice. */
export const permitReleasedTwice: Parts = {
  admission: (real) =>
    Admission.of({
      ...real,
      withPermit: (who, onWait, effect) =>
        real.withPermit(who, onWait, Effect.ensuring(effect, real.leave(who)))
    })
}

/** What an execution had is neither destroyed nor let go of. */
export const finalizerSkipped: Parts = {
  supply: (real) =>
    SandboxSupply.of({
      ...real,
      sandbox: (...options) =>
        Layer.effectContext(
          Effect.flatMap(Scope.make(), (scope) => Layer.buildWithScope(real.sandbox(...options), scope))
        )
    })
}

/** Whatever a request asks for of the network, its sandbox has what is usual. */
export const networkWidened: Parts = {
  supply: (real) =>
    SandboxSupply.of({
      ...real,
      sandbox: (purpose, made, observer) =>
        real.sandbox(
          purpose,
          { ...made, ...(real.network.usual && { network: real.network.usual }) },
          observer
        )
    })
}

/** What was left behind is never found. */
export const reaperDropped: Parts = {
  provider: (real) => SandboxProvider.of({ ...real, list: () => Effect.succeed([]) })
}

const nobody = ExecutionId.make("nobody")

interface Waiter extends Pick<Admittee, "gpus" | "userId"> {
  readonly turn: Deferred.Deferred<void>
}

/** A queue in which those who wait are asked in an order of its own. */
const queueInOrder = (inOrder: (waiting: ReadonlyArray<Waiter>) => ReadonlyArray<Waiter>): Parts => ({
  admission: (real) => {
    const waiting: Array<Waiter> = []
    const admitNext = Effect.suspend(() =>
      Effect.forEach(inOrder([...waiting]), (waiter) =>
        Effect.whenEffect(
          Effect.sync(() => waiting.splice(waiting.indexOf(waiter), 1)).pipe(
            Effect.zipRight(Deferred.succeed(waiter.turn, undefined))
          ),
          Effect.isSuccess(real.enterNow({ ...waiter, executionId: nobody }))
        )
      )
    )
    return Admission.of({
      ...real,
      withPermit: (who, onWait, effect) => {
        const wait = Effect.gen(function* () {
          const { gpus, userId } = who
          const waiter = { userId, turn: yield* Deferred.make<void>(), ...(gpus && { gpus }) }
          waiting.push(waiter)
          yield* onWait(0)
          yield* Deferred.await(waiter.turn)
        })
        return Effect.acquireUseRelease(
          Effect.catchAll(real.enterNow(who), () => wait),
          () => effect,
          () => Effect.zipRight(real.leave(who), admitNext)
        )
      }
    })
  }
})

/** The last one in is the first to go. */
export const lastComeFirstServed = queueInOrder((waiting) => waiting.toReversed())

/** One user goes before all others. */
export const noisyUserFirst = queueInOrder((waiting) =>
  waiting.toSorted((a, b) => Number(b.userId === "u0") - Number(a.userId === "u0"))
)

/** Those who wait are never told that a place is free. */
export const placesForgotten = queueInOrder(() => [])

/** Whoever wants few GPUs gets them before one who waits for many. */
export const smallOnesOvertake = queueInOrder((waiting) =>
  waiting.filter((one) => waiting.find(({ userId }) => userId === one.userId) === one)
)

/** GPUs are given to everyone who asks. */
export const gpusNotCounted: Parts = {
  admission: (real) =>
    Admission.of({
      ...real,
      withPermit: ({ executionId, userId }, onWait, effect) =>
        real.withPermit({ executionId, userId }, onWait, effect)
    })
}

const changingEntries = (change: (entry: Entry, event: string) => ReadonlyArray<Entry>): Parts => ({
  store: (real) =>
    ExecutionStore.of({
      ...real,
      append: (entries) =>
        real.append(
          entries.flatMap((entry) => (entry._tag === "Happened" ? change(entry, entry.event.event) : [entry]))
        )
    })
})

/** The end of an execution is written twice. */
export const endWrittenTwice = changingEntries((entry, event) =>
  event === "execution_completed" ? [entry, entry] : [entry]
)

/** The end of a killed execution is not written. */
export const endNotWritten = changingEntries((entry, event) => (event === "execution_killed" ? [] : [entry]))

/** What is killed while it waits goes on to wait. */
export const killLost: Parts = {
  admission: (real) =>
    Admission.of({
      ...real,
      withPermit: (who, onWait, effect) =>
        Effect.uninterruptible(
          Effect.flatMap(
            Effect.forkDaemon(Effect.interruptible(real.withPermit(who, onWait, effect))),
            Fiber.join
          )
        )
    })
}

/** One sandbox of a provider, with something about it changed. */
const changingSandboxes = (change: (real: Sandbox["Type"]) => Sandbox["Type"]): Parts => ({
  provider: (real) =>
    SandboxProvider.of({
      ...real,
      create: (options) => Effect.map(real.create(options), change)
    })
})

/** A program whose stream was cut counts as one that never began. */
export const runAgainWithoutLeave = changingSandboxes((real) => ({
  ...real,
  run: (command) =>
    Mailbox.fromStream(
      Stream.mapError(
        Sandbox.events(real, command),
        ({ message }) =>
          new SandboxFailure({ code: "SANDBOX_BUSY", phase: "start", message, retryable: true })
      )
    )
}))

/** A sandbox is said to be gone whatever the provider answers. */
export const destroyClaimed = changingSandboxes((real) => ({ ...real, destroy: Effect.void }))

/** Every look for what was left behind leaves a fiber behind. */
export const fiberLeaked: Parts = {
  provider: (real) =>
    SandboxProvider.of({
      ...real,
      list: (tags) => Effect.zipRight(Effect.forkDaemon(Effect.never), real.list(tags))
    })
}

/** What a life of the service that died left behind is never ended. */
export const deadForgotten: Parts = {
  store: (real) => ExecutionStore.of({ ...real, unfinished: Effect.succeed([]) })
}

/** That a killed execution has ended is not announced. */
export const endNotAnnounced: Parts = {
  store: (real) =>
    ExecutionStore.of({
      ...real,
      append: (entries) =>
        real.append(
          entries.filter((entry) => entry._tag !== "Announced" || entry.announcement.verdict !== "Killed")
        )
    })
}

/** A message that a receiver did not take counts as delivered. */
export const messageTriedOnce: Parts = {
  outbox: (real) =>
    Outbox.of({ ...real, settle: (outcome) => real.settle({ ...outcome, state: "delivered" }) })
}

/** A message whose sender dies while it is under way is not sent again. */
export const messageLostUnderWay = (): Parts => {
  const underWay = new Set<string>()
  return {
    outbox: (real) =>
      Outbox.of({
        ...real,
        due: (query) =>
          Effect.map(real.due(query), (due) =>
            due.filter(({ messageId }) => !underWay.has(messageId) && underWay.add(messageId))
          ),
        settle: (outcome) =>
          Effect.zipRight(
            Effect.sync(() => underWay.delete(outcome.messageId)),
            real.settle(outcome)
          )
      })
  }
}

/** Each copy of a message has an id of its own. */
export const messageIdOfEachCopy: Parts = {
  outbox: (real) =>
    Outbox.of({
      ...real,
      due: (query) =>
        Effect.map(real.due(query), (due) =>
          due.map((message) => ({ ...message, messageId: `${message.messageId}-${message.attempts}` }))
        ),
      settle: (outcome) => real.settle({ ...outcome, messageId: outcome.messageId.replace(/-\d+$/, "") })
    })
}

/** A message is given up at its first failure. */
export const messageGivenUpEarly: Parts = {
  outbox: (real) =>
    Outbox.of({
      ...real,
      due: (query) =>
        Effect.map(real.due(query), (due) => due.map((message) => ({ ...message, since: -1e12 })))
    })
}

/** The log does not say that a message was given up. */
export const messageGivenUpSilently = changingEntries((entry, event) =>
  event === "webhook_failed" ? [] : [entry]
)

const changingUpdates = (
  change: (updates: Stream.Stream<ExecutionUpdate, ExecutionNotFound | StoreFailure>) => typeof updates
): Parts => ({
  service: (real) =>
    SandboxService.of({ ...real, updates: (id, options) => change(real.updates(id, options)) })
})

/** A reader is not told what it has missed. */
export const missedUnsaid = changingUpdates(Stream.filter(({ type }) => type !== "missed"))

/** Who reads on is told again what it was told last. */
export const toldAgain: Parts = {
  service: (real) =>
    SandboxService.of({
      ...real,
      updates: (id, { after } = {}) =>
        Stream.concat(
          Stream.take(after === undefined ? Stream.empty : real.updates(id, {}), 1),
          real.updates(id, { after })
        )
    })
}

/** A piece of output is not told when it comes in one with another. */
export const pieceLost = changingUpdates(
  Stream.filter((update) => update.type !== "stdout" || update.text.length !== 65_536)
)

/** A file that was refused is not told. */
export const fileNotTold = changingUpdates(
  Stream.filter((update) => update.type !== "artifact" || update.refused?.name !== "b")
)

/** Readers are not told how it ended. */
export const endNotTold = changingUpdates(Stream.filter(({ type }) => type !== "result"))
