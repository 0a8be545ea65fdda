import type { LimitValues } from "@bulkhead/sandbox"
import { Context, Effect, Layer, Ref, Schema } from "effect"
import type { Place, Session, SessionId, VersionedLimits } from "./Protocol.js"

/** The ledger could not be read or written. */
export class LedgerFailure extends Schema.TaggedError<LedgerFailure>()("LedgerFailure", {
  cause: Schema.Defect
}) {
  override get message() {
    return "The permits of all replicas could not be read or written"
  }
}

/** Another owner came later: nothing was written. */
export class Deposed extends Schema.TaggedError<Deposed>()("Deposed", { epoch: Schema.Int }) {
  override get message() {
    return `The owner of epoch ${this.epoch} is not the owner any more`
  }
}

/** One permit that is out. */
export interface Permit extends Pick<Place, "number" | "executionId" | "userId" | "gpus"> {
  readonly session: SessionId
}

export interface PermitKey extends Pick<Permit, "session" | "number"> {}

/** What an owner finds that begins. */
export interface Opened {
  readonly epoch: number
  readonly permits: ReadonlyArray<Permit>
  /** Of replicas that may still live. */
  readonly sessions: ReadonlyArray<Session>
  /** Sessions that are over; those of long ago are forgotten. */
  readonly over: ReadonlyArray<SessionId>
  /** Version 0: nobody changed the limits. */
  readonly limits: VersionedLimits | undefined
}

/**
 * Every permit that is out, and whose it is, for all replicas. Only the newest owner can write: each write checks the
 * epoch in the same step.
 */
export class PermitLedger extends Context.Tag("@bulkhead/cluster/PermitLedger")<
  PermitLedger,
  {
    /** Makes whoever asks the newest owner. */
    readonly open: Effect.Effect<Opened, LedgerFailure>
    readonly write: (
      epoch: number,
      change: { readonly granted: ReadonlyArray<Permit>; readonly returned: ReadonlyArray<PermitKey> }
    ) => Effect.Effect<void, Deposed | LedgerFailure>
    readonly join: (epoch: number, session: Session) => Effect.Effect<void, Deposed | LedgerFailure>
    /** Ends a session, and strikes off its permits. */
    readonly end: (epoch: number, session: SessionId) => Effect.Effect<void, Deposed | LedgerFailure>
    readonly setLimits: (
      epoch: number,
      limits: VersionedLimits
    ) => Effect.Effect<void, Deposed | LedgerFailure>
    /** Of replicas that may still live. Whoever asks need not be the owner. */
    readonly sessions: Effect.Effect<ReadonlyArray<Session>, LedgerFailure>
  }
>() {
  /** Shared by whoever is given this one service: for tests, and for owners in one process. */
  static readonly layerMemory: Layer.Layer<PermitLedger> = Layer.effect(
    PermitLedger,
    Effect.suspend(() => makeMemory)
  )
}

interface Memory extends Omit<Opened, "limits"> {
  readonly limits: { readonly version: number; readonly values: LimitValues } | undefined
}

const empty: Memory = { epoch: 0, permits: [], sessions: [], over: [], limits: undefined }

const isKey =
  ({ number, session }: PermitKey) =>
  (other: PermitKey) =>
    other.number === number && other.session === session

const makeMemory = Effect.gen(function* () {
  const memory = yield* Ref.make(empty)

  const change = (epoch: number, f: (now: Memory) => Memory) =>
    Ref.modify(memory, (now) => {
      const isNewest = now.epoch === epoch
      return [isNewest, isNewest ? f(now) : now] as const
    }).pipe(Effect.flatMap((isNewest) => (isNewest ? Effect.void : new Deposed({ epoch }))))

  return PermitLedger.of({
    open: Ref.updateAndGet(memory, (now) => ({ ...now, epoch: now.epoch + 1 })),
    write: (epoch, { granted, returned }) =>
      change(epoch, (now) => ({
        ...now,
        permits: [
          ...now.permits.filter((permit) => ![...returned, ...granted].some(isKey(permit))),
          ...granted
        ]
      })),
    join: (epoch, session) =>
      change(epoch, (now) => ({
        ...now,
        sessions: [...now.sessions.filter(({ id }) => id !== session.id), session]
      })),
    end: (epoch, session) =>
      change(epoch, (now) => ({
        ...now,
        permits: now.permits.filter((permit) => permit.session !== session),
        sessions: now.sessions.filter(({ id }) => id !== session),
        over: [...now.over, session]
      })),
    setLimits: (epoch, limits) => change(epoch, (now) => ({ ...now, limits })),
    sessions: Effect.map(Ref.get(memory), ({ sessions }) => sessions)
  })
})
