import { Clock, Deferred, Effect, Exit, Runtime, Scope } from "effect"
import * as GuestSandbox from "../Guest/GuestSandbox.js"
import { type LaunchFailed, type NoFreeSlot, RequestRefused } from "../HostErrors.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Secrets from "../Secrets.js"
import * as Timer from "../Timer.js"
import * as SandboxMetrics from "./SandboxMetrics.js"

/** What a client asks a new sandbox to be. */
export interface SandboxRequest {
  readonly template: string
  /** How long it lives, in milliseconds. */
  readonly lifetime: number
  readonly metadata: Readonly<Record<string, string>>
  readonly envVars: Readonly<Record<string, string>>
}

/** A running sandbox, as the control plane knows it. */
export interface SandboxRecord extends Omit<SandboxRequest, "lifetime"> {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  endAt: number
  readonly accessToken: string
  readonly guest: GuestSandbox.GuestSandbox
  readonly metrics: SandboxMetrics.SandboxMetrics
}

/** The sandboxes of a host: made, found, given time, and killed. */
export interface SandboxTable {
  readonly create: (
    request: SandboxRequest
  ) => Effect.Effect<SandboxRecord, LaunchFailed | NoFreeSlot | RequestRefused>
  readonly find: (id: string) => SandboxRecord | undefined
  readonly all: () => ReadonlyArray<SandboxRecord>
  /** Lets a sandbox live so many milliseconds from now. */
  readonly setLifetime: (record: SandboxRecord, lifetime: number) => Effect.Effect<void>
  /** Kills a sandbox; done when nothing of it is left. False if there is none. */
  readonly kill: (id: string) => Effect.Effect<boolean>
}

interface Held {
  readonly record: SandboxRecord
  readonly scope: Scope.CloseableScope
  stopTimer: () => void
}

const closing = new RequestRefused({ status: 503, message: "the host is shutting down" })

/** An empty registry; when the scope closes, every sandbox in it is killed. */
export const make = Effect.fn("SandboxTable.make")(function* (isolation: Isolation) {
  const { maxLifetime, memoryBytes } = isolation.options
  const scope = yield* Effect.scope
  const held = new Map<string, Held>()
  const dying = new Map<string, Deferred.Deferred<void>>()
  let open = true

  const end = (entry: Held) =>
    Effect.gen(function* () {
      const { id } = entry.record
      const dead = yield* Deferred.make<void>()
      held.delete(id)
      dying.set(id, dead)
      entry.stopTimer()
      yield* Scope.close(entry.scope, Exit.void)
      dying.delete(id)
      yield* Deferred.succeed(dead, undefined)
    }).pipe(Effect.uninterruptible)

  // Untraced, as is what follows: this host records no spans, and each would cost a third of its method.
  const kill = Effect.fnUntraced(function* (id: string) {
    const entry = held.get(id)
    if (entry !== undefined) yield* end(entry)
    const dead = dying.get(id)
    if (dead !== undefined) yield* Deferred.await(dead)
    return entry !== undefined || dead !== undefined
  })

  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  const killSoon = (id: string) => void runFork(kill(id), { scope })

  const arm = (entry: Held, now: number) => {
    entry.stopTimer()
    entry.stopTimer = Timer.after(Math.max(0, entry.record.endAt - now), () => killSoon(entry.record.id))
  }

  const register = (
    request: SandboxRequest,
    guest: GuestSandbox.GuestSandbox,
    sandboxScope: Scope.CloseableScope,
    startedAt: number
  ) => {
    const { lifetime, ...rest } = request
    const record: SandboxRecord = {
      ...rest,
      ...{ id: Secrets.identifier(), accessToken: Secrets.token(), startedAt, guest },
      metrics: SandboxMetrics.make(guest.usage, startedAt, memoryBytes),
      endAt: startedAt + Math.min(lifetime, maxLifetime)
    }
    const entry: Held = { record, scope: sandboxScope, stopTimer: () => {} }
    held.set(record.id, entry)
    arm(entry, startedAt)
    // A sandbox whose first process is killed from outside is gone for clients too.
    guest.death.tell(() => {
      if (held.has(record.id)) killSoon(record.id)
    })
    return record
  }

  const create = (request: SandboxRequest) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const sandboxScope = yield* Scope.make()
        const guest = yield* restore(
          Scope.extend(GuestSandbox.make(isolation, request.envVars), sandboxScope)
        ).pipe(
          Effect.tap(() => (open ? Effect.void : closing)),
          Effect.onError((cause) => Scope.close(sandboxScope, Exit.failCause(cause)))
        )
        return register(request, guest, sandboxScope, yield* Clock.currentTimeMillis)
      })
    )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      open = false
      return Effect.forEach([...held.values()], end, { concurrency: "unbounded", discard: true })
    })
  )

  // One timer for all; a short-lived sandbox never meets it.
  const recordAll = Effect.suspend(() =>
    Effect.forEach([...held.values()], ({ record }) => record.metrics.record, { discard: true })
  )
  yield* Effect.forkScoped(Effect.forever(Effect.delay(recordAll, SandboxMetrics.INTERVAL)))

  return {
    create,
    find: (id) => held.get(id)?.record,
    all: () => [...held.values()].map((entry) => entry.record),
    setLifetime: (record, lifetime) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const entry = held.get(record.id)
        if (entry === undefined) return
        record.endAt = Math.min(now + lifetime, record.startedAt + maxLifetime)
        arm(entry, now)
      }),
    kill
  } satisfies SandboxTable
})
