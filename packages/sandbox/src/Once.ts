import { Effect } from "effect"

/** Something that is settled once, and that one fiber waits for. A `Deferred`, which knows failures and many waiters, costs four times as much. */
export class Once<A> {
  private value: { readonly it: A } | undefined
  private onSettled: ((value: A) => void) | undefined

  /** Only the first value counts. */
  settle(value: A): void {
    if (this.value !== undefined) return
    this.value = { it: value }
    this.onSettled?.(value)
  }

  readonly settled: Effect.Effect<A> = Effect.async((resume) => {
    if (this.value !== undefined) resume(Effect.succeed(this.value.it))
    else this.onSettled = (value) => resume(Effect.succeed(value))
  })
}
