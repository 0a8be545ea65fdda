import { HttpMiddleware, HttpServerRequest } from "@effect/platform"
import { Effect } from "effect"

const withSeparators = /^(\/api\/executions\/[^/?#]+\/artifacts\/)([^?#]*[/;][^?#]*)(.*)$/s

/** An artifact's name may be a path. Encodes its separators, so that the router sees one segment. */
export const encode = HttpMiddleware.make((app) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const [, before, name, after] = withSeparators.exec(request.url) ?? []
    if (name === undefined) return app
    const url = `${before}${name.replaceAll(/[/;]/g, encodeURIComponent)}${after}`
    return Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ url }))
  })
)
