import { Effect } from "effect"

/** The death of a sandbox, that whoever wants to know of it is told of once. */
export class Death {
  private said: string | undefined
  private listeners: Array<(said: string) => void> = []

  /** It is proven; `said` is what was said on standard error, or by us where nothing was. */
  prove(said: string): void {
    if (this.said !== undefined) return
    this.said = said
    for (const listener of this.listeners) listener(said)
    this.listeners = []
  }

  /** Calls back when it is proven; at once if it is. */
  tell(listener: (said: string) => void): void {
    if (this.said === undefined) this.listeners.push(listener)
    else listener(this.said)
  }

  /** Done when it is proven. */
  readonly proven: Effect.Effect<void> = Effect.async((resume) => this.tell(() => resume(Effect.void)))
}
