import { Context } from "effect"

/**
 * The name of this service among those that share a provider. By it, the next life of the service finds the sandboxes
 * that the last one left behind. Two services that run at the same time need different names. Without a name, a life
 * finds only what it left behind itself.
 */
export class InstanceName extends Context.Reference<InstanceName>()("@bulkhead/sandbox/InstanceName", {
  defaultValue: (): string | undefined => undefined
}) {}
