import { type Gpus, targetsOf } from "@bulkhead/domain"
import { type E2BOptions, E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost, type HostOptions, ImageUnusable, type IsolationDescription } from "@bulkhead/host"
import { Images, InstanceName, LifeName, Limits, NetworkRules } from "@bulkhead/sandbox"
import { ConfigError, Context, Effect, Layer, Option } from "effect"
import { Holder } from "./data/Holder.js"
import { Instance } from "./data/Instance.js"
import * as NetworkAuthorities from "./NetworkAuthorities.js"
import { NetworkConfig, type NetworkSettings } from "./settings/NetworkConfig.js"
import { ObservabilityConfig } from "./settings/ObservabilityConfig.js"
import { ServerConfig, type ServerSettings } from "./settings/ServerConfig.js"
import { variables } from "./settings/Variables.js"

/** Where the sandboxes run, in words for people. */
export class Backend extends Context.Tag("@bulkhead/server/Backend")<
  Backend,
  { readonly isolation: string; readonly gpus: ReadonlyArray<Gpus> }
>() {}

/** E2B's own promise, or for a cluster of somebody else's none: it does not say what isolates there. */
export const isolationOf = ({ apiUrl, domain, sandboxUrl }: Omit<E2BOptions, "apiKey">) => {
  const elsewhere = [...new Set([apiUrl ?? domain, sandboxUrl])].filter((place) => place !== undefined)
  return elsewhere.length === 0
    ? "E2B's cloud, a virtual machine for each execution"
    : `whatever the E2B cluster at ${elsewhere.join(" and ")} isolates with; ask who runs it`
}

const e2b = (options: E2BOptions) =>
  Layer.merge(
    E2BSandboxProvider.layer(options),
    Layer.succeed(Backend, { isolation: isolationOf(options), gpus: [] })
  )

const describe = ({ caps, mechanism, namespaces, network, seccomp, users }: IsolationDescription) =>
  [
    `${mechanism === "bubblewrap" ? "bubblewrap with " : ""}its own ${namespaces.join(", ")} namespaces`,
    users,
    `seccomp (${seccomp})`,
    `network: ${network}`,
    `caps: ${caps}`
  ].join(", ")

const megabyte = 1_048_576

/** Without one, the host's sandboxes have none, whatever they ask for. */
const hostNetwork = ({ bound, host }: NetworkSettings, authorities: ReadonlyArray<string>) => {
  if (bound.mode === "off") return {}
  const { maxConnections, maxMB, mbPerSecond } = host
  const network: HostOptions["network"] = {
    authorities,
    private: targetsOf(host.private),
    ...(Option.isSome(maxConnections) && { maxConnections: maxConnections.value }),
    ...(Option.isSome(maxMB) && { maxBytes: maxMB.value * megabyte }),
    ...(Option.isSome(mbPerSecond) && { bytesPerSecond: mbPerSecond.value * megabyte })
  }
  return { network }
}

/** Under the variable that names the image. */
const named = <E>(error: E) =>
  error instanceof ImageUnusable ? ConfigError.InvalidData([variables.images.name], error.message) : error

const hostLayer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const limits = yield* Limits
    const { images, nvidiaRoot } = yield* ServerConfig
    const network = yield* NetworkConfig
    const authorities = yield* NetworkAuthorities.read
    const { maxCpuPercent, maxDiskMB, maxMemoryMB, maxProcesses } = limits
    return EmbeddedHost.layer({
      nvidiaRoot,
      images: Object.fromEntries(images),
      memoryBytes: maxMemoryMB * megabyte,
      cpuPercent: maxCpuPercent,
      processes: maxProcesses,
      diskBytes: maxDiskMB * megabyte,
      ...hostNetwork(network, authorities)
    })
  })
).pipe(Layer.mapError(named))

const embedded = Layer.unwrapEffect(
  Effect.map(
    Effect.all([EmbeddedHost, NetworkConfig, ObservabilityConfig]),
    ([{ apiKey, gpus, health, isolation, url }, { bound }, { collector }]) =>
      Layer.merge(
        E2BSandboxProvider.layer(
          // It is this very process that takes them in: more at once would take memory and save no time.
          {
            ...{ apiKey, apiUrl: url, sandboxUrl: url, name: "embedded host", formsAtOnce: 1 },
            network: bound.mode === "off" ? "none" : "embedded",
            sendsTraceParent: Option.isSome(collector.traces)
          },
          { gpus, health }
        ),
        Layer.succeed(Backend, { isolation: `embedded host, ${describe(isolation)}`, gpus })
      )
  )
).pipe(Layer.provide(hostLayer))

/** The embedded host knows an image by its name. */
const templatesOf = ({ backend, images }: ServerSettings) =>
  backend._tag === "E2B" ? images : new Map([...images.keys()].map((name) => [name, name] as const))

/** The provider of sandboxes that the settings choose. */
export const layer = Layer.unwrapEffect(
  Effect.map(
    Effect.all([ServerConfig, Instance, Holder, NetworkConfig]),
    ([config, instance, holder, network]) =>
      Layer.mergeAll(
        config.backend._tag === "E2B" ? e2b(config.backend.options) : embedded,
        Layer.succeed(InstanceName, instance),
        Layer.succeed(LifeName, holder.name),
        Layer.succeed(NetworkRules, { bound: network.bound, ofUsers: network.ofUsers }),
        Layer.succeed(Images, templatesOf(config))
      )
  )
)
