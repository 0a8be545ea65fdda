import type { LimitValues } from "@bulkhead/domain"
import type { E2BOptions } from "@bulkhead/e2b"
import { Config, ConfigError, Either, Option } from "effect"
import { variables } from "./Variables.js"

/** Where sandboxes come from: E2B's cloud, or the embedded host on this machine. */
export type BackendChoice =
  | { readonly _tag: "E2B"; readonly options: E2BOptions }
  | { readonly _tag: "Embedded" }

const embedded: BackendChoice = { _tag: "Embedded" }

const keyMissing = ConfigError.MissingData(
  ["E2B_API_KEY"],
  "expected E2B's key, since SANDBOX_BACKEND is 'e2b'"
)

const cloud = Config.all({
  apiKey: variables.e2bApiKey.config,
  template: variables.e2bTemplate.config,
  domain: variables.e2bDomain.config,
  apiUrl: variables.e2bApiUrl.config,
  sandboxUrl: variables.e2bSandboxUrl.config
})

const options = ({ apiKey, ...others }: Config.Config.Success<typeof cloud>) =>
  Option.map(apiKey, (apiKey): E2BOptions => {
    const { apiUrl, domain, sandboxUrl, template } = others
    return {
      apiKey,
      ...(Option.isSome(template) && { template: template.value }),
      ...(Option.isSome(domain) && { domain: domain.value }),
      ...(Option.isSome(apiUrl) && { apiUrl: apiUrl.value }),
      ...(Option.isSome(sandboxUrl) && { sandboxUrl: sandboxUrl.value })
    }
  })

/** What `SANDBOX_BACKEND` says; without it E2B's cloud if there is a key. */
export const config: Config.Config<BackendChoice> = Config.all({
  name: variables.backend.config,
  options: Config.map(cloud, options)
}).pipe(
  Config.mapOrFail(({ name, options }) =>
    Option.match(options, {
      onNone: () => (Option.contains(name, "e2b") ? Either.left(keyMissing) : Either.right(embedded)),
      onSome: (options) =>
        Either.right<BackendChoice>(Option.contains(name, "embedded") ? embedded : { _tag: "E2B", options })
    })
  )
)

/** E2B limits creates and bills what lives; the embedded host does neither, so a few sandboxes are kept ready there. */
export const limitDefaults: Record<BackendChoice["_tag"], Partial<LimitValues>> = {
  E2B: { maxCreatesPerSecond: 5 },
  Embedded: { poolMax: 4 }
}
