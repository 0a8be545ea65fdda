import { BulkheadApi } from "@bulkhead/api"
import { HttpApiSwagger, HttpLayerRouter, HttpServerResponse, OpenApi } from "@effect/platform"
import { Effect, Layer } from "effect"

// Both are made on the first request: they would add much to the start-up time.
const contract = HttpLayerRouter.add(
  "GET",
  "/openapi.json",
  Effect.suspend(() => Effect.orDie(HttpServerResponse.json(OpenApi.fromApi(BulkheadApi))))
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

/** The contract as OpenAPI, and a page to read it that loads nothing from the network. */
export const layer = Layer.mergeAll(contract, docs)
