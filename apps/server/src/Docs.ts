import { BulkheadApi } from "@bulkhead/api"
import { HttpApiSwagger, HttpLayerRouter, HttpServerResponse, OpenApi } from "@effect/platform"
import { Effect, Layer } from "effect"

// Both are made when somebody first asks, since that takes a good part of the time to start.
const contract = HttpLayerRouter.add(
  "GET",
  "/openapi.json",
  Effect.sync(() => HttpServerResponse.unsafeJson(OpenApi.fromApi(BulkheadApi)))
)

const page = Effect.gen(function* () {
  const router = yield* HttpLayerRouter.make
  const swagger = HttpApiSwagger.layerHttpLayerRouter({ api: BulkheadApi, path: "/docs" })
  yield* Layer.build(Layer.provide(swagger, Layer.succeed(HttpLayerRouter.HttpRouter, router)))
  return router.asHttpEffect()
})

const docs = HttpLayerRouter.use((router) =>
  Effect.flatMap(Effect.cached(Effect.scoped(page)), (page) =>
    router.add("GET", "/docs", Effect.orDie(Effect.flatten(page)))
  )
)

/** The contract, and a page to read it that needs no network. */
export const layer = Layer.mergeAll(contract, docs)
