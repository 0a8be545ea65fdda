import { HttpLayerRouter, type HttpRouter, HttpServer, HttpServerRequest } from "@effect/platform"
import { type Context, Effect, Layer } from "effect"
import * as ArtifactPath from "./artifacts/ArtifactPath.js"
import * as Fallback from "./Fallback.js"
import * as Lingering from "./Lingering.js"
import type { Path } from "./Prefix.js"
import type { Route } from "./Routes.js"

/** A part of the contract under a prefix. */
export interface Part<R> {
  readonly prefix: Path | ""
  /** What there is, for who asks with a method that is not. */
  readonly known: ReadonlyArray<Route>
  readonly routes: Layer.Layer<
    never,
    never,
    R | HttpLayerRouter.HttpRouter | HttpRouter.HttpRouter.DefaultServices
  >
  /** What the routes need and nothing else. */
  readonly services: Effect.Effect<Context.Context<R>, never, R>
}

// Long enough for an encoded user id and for an artifact's name; a longer one matches no route.
const routerConfig = { maxParamLength: 1024 }

const newRouter = Effect.provideService(HttpLayerRouter.make, HttpLayerRouter.RouterConfig, routerConfig)

/**
 * Answers every request in the contract's form. Has a router of its own, which shares nothing with that of the app it
 * is mounted in: neither settings nor routes, nor middleware, which would count twice.
 */
export const app = Effect.fnUntraced(function* <R>({ known, prefix, routes, services }: Part<R>) {
  const router = yield* newRouter
  const memoMap = yield* Layer.makeMemoMap
  const scope = yield* Effect.scope
  const context = yield* services
  yield* routes.pipe(
    Layer.provide([Layer.succeed(HttpLayerRouter.HttpRouter, router), HttpServer.layerContext]),
    Layer.buildWithMemoMap(memoMap, scope),
    Effect.mapInputContext((_: Context.Context<never>) => context)
  )
  const answered = Effect.catchAllCause(router.asHttpEffect(), Fallback.answer(known))
  return ArtifactPath.encode(prefix)(answered).pipe(
    Effect.zipWith(HttpServerRequest.HttpServerRequest, (response, request) =>
      Lingering.until(request, response)
    ),
    // The scope of a request is over with its handler: what is sent as a stream holds what it needs itself.
    Effect.scoped
  )
})

/** Answers whatever is asked for at some paths and beneath them. */
export const at = <R>(part: Part<R>, paths: ReadonlyArray<Path>) =>
  HttpLayerRouter.use((router) =>
    Effect.flatMap(app(part), (answer) =>
      Effect.forEach(
        paths.flatMap((path): ReadonlyArray<Path> => [path, `${path}/*`]),
        (path) => router.add("*", path, answer),
        { discard: true }
      )
    )
  )
