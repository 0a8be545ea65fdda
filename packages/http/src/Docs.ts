import { type HttpApi, HttpLayerRouter, HttpServerResponse, OpenApi } from "@effect/platform"
import { Effect, Layer } from "effect"
import type { Path } from "./Prefix.js"

// Both are made on the first request, and what the page is of is loaded then: they would add much to the start-up time.
const contract = (api: HttpApi.HttpApi.AnyWithProps, path: Path) =>
  HttpLayerRouter.use((router) =>
    Effect.flatMap(
      Effect.cached(Effect.suspend(() => Effect.orDie(HttpServerResponse.json(OpenApi.fromApi(api))))),
      (response) => router.add("GET", path, response)
    )
  )

const page = Effect.fnUntraced(function* (api: HttpApi.HttpApi.AnyWithProps, path: Path) {
  const router = yield* HttpLayerRouter.make
  const { layerHttpLayerRouter } = yield* Effect.promise(() => import("@effect/platform/HttpApiSwagger"))
  const swagger = layerHttpLayerRouter({ api, path })
  yield* Layer.build(Layer.provide(swagger, Layer.succeed(HttpLayerRouter.HttpRouter, router)))
  return router.asHttpEffect()
})

const reader = (api: HttpApi.HttpApi.AnyWithProps, path: Path) =>
  HttpLayerRouter.use((router) =>
    Effect.flatMap(Effect.cached(Effect.scoped(page(api, path))), (page) =>
      router.add("GET", path, Effect.orDie(Effect.flatten(page)))
    )
  )

/** A contract as OpenAPI, and a page to read it that loads nothing from the network. */
export const layer = (
  api: HttpApi.HttpApi.AnyWithProps,
  paths: { readonly contract: Path; readonly page: Path }
) => Layer.merge(contract(api, paths.contract), reader(api, paths.page))
