import { Context } from "effect"

/**
 * What this life of the service is called, and no life of any service before it: its sandboxes are tagged with it, so
 * that another service can tell the sandboxes of this life from those of the next. Without one, a life takes a random
 * name.
 */
export class LifeName extends Context.Reference<LifeName>()("@bulkhead/sandbox/LifeName", {
  defaultValue: (): string | undefined => undefined
}) {}
