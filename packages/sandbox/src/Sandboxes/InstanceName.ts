import { Context } from "effect"

/**
 * The name of this service among those that share a provider: its next life knows by it which sandboxes its last one left behind.
 * Two services that run at the same time need different names. Without one, only what this life leaves behind is found.
 */
export class Instance extends Context.Reference<Instance>()("@bulkhead/sandbox/Instance", {
  defaultValue: (): string | undefined => undefined
}) {}
