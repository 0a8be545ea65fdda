import type { LimitValues } from "@bulkhead/domain"
import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost, type IsolationDescription } from "@bulkhead/host"
import { Instance, Limits } from "@bulkhead/sandbox"
import { Context, Effect, Layer, Option } from "effect"
import { type BackendChoice, type E2BSettings, ServerConfig } from "./ServerConfig.js"

/** Where the sandboxes run, told to people. */
export class Backend extends Context.Tag("@bulkhead/server/Backend")<
  Backend,
  { readonly isolation: string }
>() {}

const e2b = ({ apiKey, domain, template }: E2BSettings) =>
  Layer.merge(
    E2BSandboxProvider.layer({
      apiKey,
      ...(Option.isSome(template) && { template: template.value }),
      ...(Option.isSome(domain) && { domain: domain.value })
    }),
    Layer.succeed(Backend, { isolation: "E2B's cloud, a virtual machine for each execution" })
  )

const describe = ({ caps, mechanism, namespaces, network, seccomp, users }: IsolationDescription) =>
  `${mechanism === "bubblewrap" ? "bubblewrap with " : ""}its own ${namespaces.join(", ")} namespaces, ${users}, seccomp (${seccomp}), network: ${network}, caps: ${caps}`

const megabyte = 1_048_576

const hostLayer = Layer.unwrapEffect(
  Effect.map(Limits, ({ maxCpuPercent, maxDiskMB, maxMemoryMB, maxProcesses }) =>
    EmbeddedHost.layer({
      memoryBytes: maxMemoryMB * megabyte,
      cpuPercent: maxCpuPercent,
      processes: maxProcesses,
      diskBytes: maxDiskMB * megabyte
    })
  )
)

const embedded = Layer.unwrapEffect(
  Effect.map(EmbeddedHost, ({ apiKey, isolation, url }) =>
    Layer.merge(
      E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url, name: "embedded host" }),
      Layer.succeed(Backend, { isolation: `embedded host, ${describe(isolation)}` })
    )
  )
).pipe(Layer.provide(hostLayer))

/** The sandboxes' provider that the settings choose. */
export const layer = Layer.unwrapEffect(
  Effect.map(ServerConfig, ({ backend, instance }) =>
    Layer.merge(backend._tag === "E2B" ? e2b(backend.settings) : embedded, Layer.succeed(Instance, instance))
  )
)

/** E2B counts creates and bills whatever lives; the embedded host has neither price nor rate, so a few sandboxes wait ready. */
const defaults: Record<BackendChoice["_tag"], Partial<LimitValues>> = {
  E2B: { maxCreatesPerSecond: 5 },
  Embedded: { poolMax: 4 }
}

/** The limits from the environment, over defaults that suit the provider. */
export const limits = Layer.unwrapEffect(
  Effect.map(ServerConfig, ({ backend }) => Limits.layerFromEnvOver(defaults[backend._tag]))
)
