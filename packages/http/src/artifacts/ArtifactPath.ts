import { HttpMiddleware, HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"
import type { Path } from "../Prefix.js"

const withSeparators = /^(\/api\/executions\/[^/?#]+\/artifacts\/)([^?#]*[/;][^?#]*)(.*)$/s

const encoded = (url: string) => {
  const [, before, name, after] = withSeparators.exec(url) ?? []
  return name === undefined ? url : `${before}${name.replaceAll(/[/;]/g, encodeURIComponent)}${after}`
}

/**
 * An artifact's name may be a path. Encodes its separators, so that the router sees one segment. Who adds `ArtifactApi`
 * to an HttpApi of their own needs this as `HttpApiBuilder.middleware`, or as a global one of `HttpLayerRouter`, and a
 * `maxParamLength` of the router that is as long as names may be.
 */
export const encode = (prefix: Path | "" = "") =>
  HttpMiddleware.make((app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (!request.url.startsWith(prefix)) return app
      const url = `${prefix}${encoded(request.url.slice(prefix.length))}`
      if (url === request.url) return app
      return Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ url }))
    })
  )
