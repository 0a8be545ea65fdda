import type { Gpus, Refusal } from "@bulkhead/domain"
import type { Admittee } from "@bulkhead/sandbox"
import { Deferred, Effect } from "effect"
import type { Place, Session, Sync } from "./Protocol.js"

/** A place as its replica has it. */
export interface OwnPlace {
  place: Place
  /** Completes when it has its permit, or must leave. */
  readonly turn: Deferred.Deferred<void, Refusal>
  /** Completes when it is known to wait: how many may go before. */
  readonly queued: Deferred.Deferred<number>
  /** Completes when the permit is not its own any more. */
  readonly revoked: Deferred.Deferred<void>
}

/** What is told of the whole, beside the places. */
export type Told = Pick<Sync, "epoch" | "limits" | "isPatient" | "isOver" | "dead">

/** Everything that waits or runs at one replica, in versions that its owner of admission can follow. */
export class Places {
  private readonly all = new Map<number, OwnPlace>()
  /** The version in which each place last changed, of those that the owner may not know. */
  private readonly changed = new Map<number, number>()
  private version = 0
  private next = 0
  /** The version that the owner knows; absent: it must be told everything. */
  private known: number | undefined

  private readonly session: Session
  private readonly gpus: ReadonlyArray<Gpus>

  constructor(session: Session, gpus: ReadonlyArray<Gpus>) {
    this.session = session
    this.gpus = gpus
  }

  /** Whether the owner is to answer at once: it must be told everything, or something came. */
  get isAsking(): boolean {
    return this.known === undefined || [...this.changed.keys()].some((number) => this.isNew(number))
  }

  private isNew(number: number): boolean {
    const place = this.all.get(number)?.place
    return place?.state === "waits" && place.ticket === undefined
  }

  get values(): ReadonlyArray<OwnPlace> {
    return [...this.all.values()]
  }

  find(number: number): OwnPlace | undefined {
    return this.all.get(number)
  }

  add({ executionId, gpus, userId }: Admittee, isHasty: boolean): Effect.Effect<OwnPlace> {
    return Effect.map(
      Effect.all({
        turn: Deferred.make<void, Refusal>(),
        queued: Deferred.make<number>(),
        revoked: Deferred.make<void>()
      }),
      (parts) => {
        const number = this.next++
        const who = { executionId, userId, ...(gpus && { gpus }) }
        const entry = { ...parts, place: { number, ...who, state: "waits", isHasty } as const }
        this.all.set(number, entry)
        this.change(number)
        return entry
      }
    )
  }

  become(entry: OwnPlace, change: Partial<Pick<Place, "state" | "ticket">>): void {
    entry.place = { ...entry.place, ...change }
    this.change(entry.place.number)
  }

  remove(number: number): void {
    if (this.all.delete(number)) this.change(number)
  }

  private change(number: number): void {
    this.version++
    this.changed.set(number, this.version)
  }

  /** What the owner is to be told. */
  tell(told: Told): Sync {
    const isWhole = this.known === undefined
    const numbers = isWhole ? [...this.all.keys()] : [...this.changed.keys()]
    return {
      ...told,
      session: this.session,
      ...(this.known === undefined ? { gpus: this.gpus } : { base: this.known }),
      version: this.version,
      next: this.next,
      places: numbers.flatMap((number) => this.all.get(number)?.place ?? []),
      left: isWhole ? [] : numbers.filter((number) => !this.all.has(number))
    }
  }

  /** The owner knows a version. */
  confirm(version: number): void {
    this.known = Math.max(version, this.known ?? version)
    for (const [number, changedIn] of this.changed) if (changedIn <= version) this.changed.delete(number)
  }

  /** The owner must be told everything. */
  forgetOwner(): void {
    this.known = undefined
  }
}
