import { type ArtifactKindsApi, ArtifactKindsRequest, type BulkheadApi } from "@bulkhead/api"
import { AllowedArtifacts, type Whitelist } from "@bulkhead/artifacts"
import { faultOf } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { HttpApiBuilder } from "@effect/platform"
import { Array, Effect, Record, Schema } from "effect"
import * as SmallBody from "../body/SmallBody.js"
import * as Handlers from "../Handlers.js"
import * as Query from "../Query.js"

const decode = Schema.decodeUnknown(ArtifactKindsRequest, { onExcessProperty: "error" })

const byGroups = (whitelist: Whitelist) =>
  Record.map(
    Array.groupBy(Object.entries(whitelist), ([, { group }]) => group),
    (kinds) => kinds.map(([extension]) => extension).toSorted()
  )

const read = (text: string) =>
  Effect.mapError(AllowedArtifacts.parse(text), (wrong) =>
    SmallBody.malformed({ message: `kinds: expected ${AllowedArtifacts.takes}, ${wrong}` })
  )

const build = (api: typeof BulkheadApi) =>
  HttpApiBuilder.group(api, "artifactKinds", (handlers) =>
    Effect.gen(function* () {
      const { receive } = yield* SandboxService
      const { activeContent, of, set } = yield* AllowedArtifacts.AllowedArtifacts
      const kindsOf = (userId: Parameters<typeof of>[0]) =>
        Effect.map(of(userId), (whitelist) => ({ groups: byGroups(whitelist), activeContent }))
      return handlers
        .handle("kinds", ({ path: { userId } }) => Effect.zipRight(Query.none, kindsOf(userId)))
        .handleRaw("setKinds", ({ path: { userId }, request }) =>
          Effect.gen(function* () {
            yield* Query.none
            const body = yield* SmallBody.json(request, receive)
            const { kinds } = yield* Effect.mapError(decode(body), (error) =>
              SmallBody.malformed(faultOf(error, "body"))
            )
            yield* set(userId, yield* read(kinds))
            return yield* kindsOf(userId)
          })
        )
        .handle("resetKinds", ({ path: { userId } }) =>
          Effect.zipRight(Query.none, Effect.zipRight(set(userId, undefined), kindsOf(userId)))
        )
    })
  )

/** Which files are kept, for the operator; for an HttpApi with `ArtifactKindsApi`. */
export const layer = Handlers.of<typeof ArtifactKindsApi>()(build)
