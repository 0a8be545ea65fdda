import type { Gpus } from "@bulkhead/domain"
import { Clock, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import type { GuestNetworks } from "../Guest/GuestNetwork.js"
import * as GuestSandbox from "../Guest/GuestSandbox.js"
import * as TrustFiles from "../Guest/TrustFiles.js"
import {
  type LauncherDied,
  type LaunchFailed,
  type NoFreeGpus,
  type NoFreeSlot,
  type NoLauncher,
  RequestRefused,
  SandboxGone
} from "../HostErrors.js"
import { MOST_SANDBOXES } from "../HostOptions.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Secrets from "../Secrets.js"
import * as SteadyClock from "../SteadyClock.js"
import * as SandboxMetrics from "./SandboxMetrics.js"

/** What a client asks a new sandbox to be. */
export interface SandboxRequest extends Omit<GuestSandbox.GuestRequest, "gpus"> {
  readonly template: string
  /** How long it lives, in milliseconds. */
  readonly lifetime: number
  readonly metadata: Readonly<Record<string, string>>
  /** Absent: none. */
  readonly gpus?: Gpus
}

/** A running sandbox, as the control plane knows it. */
export interface SandboxRecord {
  readonly id: string
  readonly template: string
  readonly metadata: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** When it is killed, in milliseconds since 1970, by the clock as it was when that was decided. */
  readonly endAt: number
  /** When it is killed, in milliseconds of the `SteadyClock`. */
  readonly deadline: number
  readonly accessToken: string
  readonly guest: GuestSandbox.GuestSandbox
  readonly metrics: SandboxMetrics.SandboxMetrics
}

/** Why a sandbox did not start. */
export type LaunchRefused =
  | LauncherDied
  | LaunchFailed
  | NoFreeGpus
  | NoFreeSlot
  | NoLauncher
  | RequestRefused

/** The running sandboxes of a host. */
export interface SandboxTable {
  readonly create: (request: SandboxRequest) => Effect.Effect<SandboxRecord, LaunchRefused>
  readonly find: (id: string) => SandboxRecord | undefined
  /** What is said of a sandbox that is not found. */
  readonly gone: (id: string) => SandboxGone
  readonly all: () => ReadonlyArray<SandboxRecord>
  /** Lets a sandbox live so many milliseconds from now, but never longer than a sandbox may. */
  readonly setLifetime: (record: SandboxRecord, lifetime: number) => Effect.Effect<void>
  /** Kills a sandbox; done when nothing of it is left. False if there is none. */
  readonly kill: (id: string) => Effect.Effect<boolean>
}

interface Entry {
  readonly record: SandboxRecord
  readonly scope: Scope.CloseableScope
  /** Milliseconds of the `SteadyClock`. */
  readonly bornAt: number
  /** Kills it when its time is up. */
  readonly timer: Fiber.RuntimeFiber<unknown>
}

const closing = new RequestRefused({ status: 503, message: "the host is shutting down" })

/** How often a sandbox is tried again whose launcher died while it was made: nothing has run in it. */
const MOST_TRIES = 2

/** Keeps the latest of those that died with a launcher, as many as can. */
const makeLost = () => {
  const ids = new Set<string>()
  return {
    has: (id: string) => ids.has(id),
    add: (id: string) => {
      ids.add(id)
      const [oldest] = ids
      if (ids.size > MOST_SANDBOXES && oldest !== undefined) ids.delete(oldest)
    }
  }
}

/** An empty table. When the scope closes, every sandbox in it is killed. */
export const make = Effect.fn("SandboxTable.make")(function* (isolation: Isolation, networks: GuestNetworks) {
  const { maxLifetime, memoryBytes } = isolation.options
  const running = new Map<string, Entry>()
  const dying = new Map<string, Deferred.Deferred<void>>()
  const lost = makeLost()
  let isOpen = true

  const end = ({ record: { id }, scope }: Entry) =>
    Effect.gen(function* () {
      running.delete(id)
      const dead = yield* Deferred.make<void>()
      dying.set(id, dead)
      yield* Scope.close(scope, Exit.void)
      dying.delete(id)
      yield* Deferred.succeed(dead, undefined)
    }).pipe(Effect.uninterruptible)

  // Untraced, as is what follows: this host records no spans, and each would cost a third of its method.
  const kill = Effect.fnUntraced(function* (id: string) {
    const entry = running.get(id)
    if (entry !== undefined) yield* end(entry)
    const dead = dying.get(id)
    if (dead !== undefined) yield* Deferred.await(dead)
    return entry !== undefined || dead !== undefined
  })

  // A fiber that is forked where nothing interrupts would not let its scope close: hence `interruptible`.
  const startTimer = (id: string, scope: Scope.Scope, timeLeft: number) =>
    Effect.forkIn(Effect.interruptible(Effect.delay(kill(id), Math.max(0, timeLeft))), scope)

  /** A sandbox whose first process was killed from outside, or whose launcher died, is gone for its clients too. */
  const clearWhenDead = ({ guest, id }: SandboxRecord, scope: Scope.Scope) =>
    guest.ending.pipe(
      Effect.map(({ _tag }) => (_tag === "WithLauncher" ? lost.add(id) : undefined)),
      Effect.zipRight(kill(id)),
      Effect.interruptible,
      Effect.forkIn(scope)
    )

  const recordOf = (
    { metadata, template }: SandboxRequest,
    guest: GuestSandbox.GuestSandbox,
    now: number,
    bornAt: number,
    timeLeft: number
  ): SandboxRecord => ({
    id: Secrets.identifier(),
    template,
    metadata,
    startedAt: now,
    endAt: now + timeLeft,
    deadline: bornAt + timeLeft,
    accessToken: Secrets.token(),
    guest,
    metrics: SandboxMetrics.make(guest.usage, bornAt, memoryBytes)
  })

  /** Its GPUs are taken first, so that they are free again when nothing of it is left. */
  const makeGuest = Effect.fnUntraced(function* (request: SandboxRequest) {
    const gpus = request.gpus === undefined ? [] : yield* isolation.gpus.take(request.gpus)
    return yield* GuestSandbox.make(isolation, networks, { ...request, gpus })
  })

  const createOnce = (request: SandboxRequest) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const sandboxScope = yield* Scope.make()
        const guest = yield* restore(Scope.extend(makeGuest(request), sandboxScope)).pipe(
          Effect.tap((made) => TrustFiles.write(made, isolation.users)),
          Effect.tap(() => (isOpen ? Effect.void : closing)),
          Effect.onError((cause) => Scope.close(sandboxScope, Exit.failCause(cause)))
        )
        const bornAt = yield* SteadyClock.now
        const timeLeft = Math.min(request.lifetime, maxLifetime)
        const record = recordOf(request, guest, yield* Clock.currentTimeMillis, bornAt, timeLeft)
        const timer = yield* startTimer(record.id, sandboxScope, timeLeft)
        running.set(record.id, { record, scope: sandboxScope, bornAt, timer })
        yield* clearWhenDead(record, sandboxScope)
        return record
      })
    )

  const create = (request: SandboxRequest) =>
    Effect.retry(createOnce(request), {
      times: MOST_TRIES,
      while: ({ _tag }) => _tag === "LauncherDied"
    })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isOpen = false
      return Effect.forEach([...running.values()], end, { concurrency: "unbounded", discard: true })
    })
  )

  // One timer for all; a short-lived sandbox never meets it.
  const recordAll = Effect.suspend(() =>
    Effect.forEach([...running.values()], ({ record }) => record.metrics.record, { discard: true })
  )
  yield* Effect.forkScoped(
    Effect.interruptible(Effect.forever(Effect.delay(recordAll, SandboxMetrics.INTERVAL)))
  )

  return {
    create,
    find: (id) => running.get(id)?.record,
    gone: (sandboxId) => new SandboxGone({ sandboxId, withLauncher: lost.has(sandboxId) }),
    all: () => [...running.values()].map(({ record }) => record),
    setLifetime: Effect.fnUntraced(function* ({ id }, lifetime) {
      const now = yield* SteadyClock.now
      const entry = running.get(id)
      if (entry === undefined) return
      const deadline = Math.min(now + lifetime, entry.bornAt + maxLifetime)
      const endAt = (yield* Clock.currentTimeMillis) + deadline - now
      const record = { ...entry.record, endAt, deadline }
      const timer = yield* startTimer(id, entry.scope, deadline - now)
      const replaced = running.get(id)
      if (replaced === undefined) return
      running.set(id, { ...entry, record, timer })
      yield* Fiber.interrupt(replaced.timer)
    }),
    kill
  } satisfies SandboxTable
})
