import { type BulkheadApi, type HealthApi, NotReady } from "@bulkhead/api"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"
import * as Handlers from "./Handlers.js"

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "health", (handlers) =>
    Effect.map(SandboxService, ({ readiness }) =>
      handlers
        .handle("health", () => Effect.succeed({ status: "ok" as const }))
        .handle("ready", () =>
          Effect.filterOrFail(
            readiness,
            ({ ready }) => ready,
            (readiness) => new NotReady({ readiness })
          )
        )
    )
  )

/** Liveness and readiness, in an HttpApi that has `HealthApi`. */
export const layer = Handlers.of<typeof HealthApi>()(build)
