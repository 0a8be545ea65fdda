import type { Gpus } from "@bulkhead/domain"
import { Admission, GpuSupply, Limits, type LimitValues } from "@bulkhead/sandbox"
import { Context, Deferred, Effect, Fiber, Layer, Order, type Scope } from "effect"
import { MachineGpus } from "./MachineGpus.js"
import * as Member from "./Member.js"
import type { Permit } from "./PermitLedger.js"
import { isDenial, type Session } from "./Protocol.js"

/** `Effect.never` keeps a timer of the process for each that waits. */
const untilInterrupted = Effect.async<never>(() => {})

/** Tickets of a later owner are larger than those of an earlier one. */
const ticketsOf = (epoch: number) => epoch * 1_000_000_000

const unlimited = (values: LimitValues): LimitValues => ({
  ...values,
  maxConcurrentSandboxes: Number.MAX_SAFE_INTEGER,
  maxSandboxesPerUser: Number.MAX_SAFE_INTEGER,
  maxGpus: Number.MAX_SAFE_INTEGER,
  maxGpusPerUser: Number.MAX_SAFE_INTEGER
})

/** The fair queue and the permits of one process, with these limits and GPUs. */
const oneProcess = (values: LimitValues, { supply }: MachineGpus) =>
  Layer.build(Admission.layer).pipe(
    Effect.provideService(Limits, values),
    Effect.provideService(GpuSupply, supply),
    Effect.map((context) => Context.get(context, Admission))
  )

type Entry = readonly [Member.Member, Member.OwnedPlace]

const byTicket = Order.mapInput(Order.number, ([, { ticket }]: Entry) => ticket ?? Number.POSITIVE_INFINITY)

/** The queue of one process, in which the places of all replicas are. */
export interface OwnedQueue {
  readonly admission: Admission["Type"]
  /** Puts other limits in force. */
  readonly adjust: (values: LimitValues) => Effect.Effect<void>
  /** Knows from now on what the machine of a replica has. */
  readonly tellGpus: (session: Session, gpus: ReadonlyArray<Gpus>) => void
  /** Returns when the place is in the queue, has its turn, or is turned away; at once, while the queue is not open. */
  readonly enter: (member: Member.Member, entry: Member.OwnedPlace) => Effect.Effect<void>
  /** Takes a permit that an earlier owner gave, whatever the limits are. */
  readonly restore: (session: Session, permit: Permit) => Effect.Effect<Member.OwnedPlace>
  /** Lets in what came before, in the order of their tickets. */
  readonly open: (arrived: ReadonlyArray<Entry>) => Effect.Effect<void>
}

/** Not open yet. The limits are in force once they are put in force: those of permits that are out may be exceeded. */
export const make = Effect.fnUntraced(function* (
  epoch: number,
  values: LimitValues
): Effect.fn.Return<OwnedQueue, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const machines = new MachineGpus()
  // What is out counts, also where fewer are allowed by now.
  const admission = yield* oneProcess(unlimited(values), machines)
  let isOpen = false
  let tickets = ticketsOf(epoch)

  /** Lets a place into the queue, and returns when it is there, has its turn, or is turned away. */
  const enqueue = Effect.fnUntraced(function* (member: Member.Member, entry: Member.OwnedPlace) {
    const settled = yield* Deferred.make<void>()
    entry.ticket ??= tickets++
    const become = (state: Member.OwnedPlace["state"]) =>
      Effect.sync(() => {
        entry.state = state
      }).pipe(Effect.zipRight(member.news.open), Effect.zipRight(Deferred.succeed(settled, undefined)))
    const waiting = admission
      .withPermit(
        machines.admittee(member.session, entry.place),
        (ahead) => {
          entry.ahead = ahead
          return Effect.asVoid(become("queued"))
        },
        Effect.zipRight(become("turn"), untilInterrupted)
      )
      .pipe(
        Effect.catchAll((refusal) => {
          entry.denial = isDenial(refusal) ? refusal : undefined
          return become("denied")
        })
      )
    const fiber = yield* Effect.forkIn(Effect.interruptible(waiting), scope)
    entry.leave = Effect.asVoid(Fiber.interrupt(fiber))
    yield* Effect.raceFirst(
      Effect.interruptible(Deferred.await(settled)),
      Effect.interruptible(Fiber.await(fiber))
    )
  })

  /** Gives a place a permit only if one is free. */
  const enterNow = (member: Member.Member, entry: Member.OwnedPlace) => {
    const who = machines.admittee(member.session, entry.place)
    return Effect.match(admission.enterNow(who), {
      onFailure: (denial) => {
        entry.state = "denied"
        entry.denial = denial
      },
      onSuccess: () => {
        entry.state = "turn"
        entry.leave = admission.leave(who)
      }
    })
  }

  const enter = (member: Member.Member, entry: Member.OwnedPlace) =>
    entry.place.isHasty ? enterNow(member, entry) : enqueue(member, entry)

  return {
    admission,
    // It is asked in this process, and answers always.
    adjust: (values) => Effect.orDie(admission.adjust(values)),
    tellGpus: (session, gpus) => machines.tell(session, gpus),
    enter: (member, entry) => Effect.suspend(() => (isOpen ? enter(member, entry) : Effect.void)),
    restore: (session, permit) => {
      const holder = machines.holder(session, permit)
      return Effect.as(Effect.orDie(admission.enterNow(holder)), Member.held(permit, admission.leave(holder)))
    },
    open: (arrived) =>
      Effect.suspend(() => {
        isOpen = true
        return Effect.forEach(arrived.toSorted(byTicket), ([member, entry]) => enter(member, entry), {
          discard: true
        })
      })
  }
})
