import { BulkheadApi, NotReady } from "@bulkhead/api"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"

/** Liveness and readiness. */
export const layer = HttpApiBuilder.group(BulkheadApi, "health", (handlers) =>
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
