import { Effect, type Scope } from "effect"
import * as Answer from "./Answer.js"
import type { HttpRequest } from "./HttpRequest.js"

/** Answers a request. Its scope closes once the answer is written, or the client has gone away. */
export type Handler = (request: HttpRequest) => Effect.Effect<Answer.Answer, never, Scope.Scope>

/** What answers one method of one path, in which `:id` stands for any one segment. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  readonly path: string
  readonly handler: Handler
}

/** A handler, its route as it is written, and what stands for `:id` in the path that was asked for. */
export interface Match {
  readonly name: string
  readonly handler: Handler
  readonly id: string
}

const notFound: Match = {
  name: "other",
  handler: () => Effect.succeed(Answer.json(404, { code: 404, message: "no such route" })),
  id: ""
}

const hasId = ({ path }: Route) => path.includes(":id")

const patternOf = ({ method, path }: Route) =>
  new RegExp(`^${method} ${path.replaceAll(".", "\\.").replace(":id", "([^/]+)")}$`)

const withoutQuery = (url: string) => {
  const at = url.indexOf("?")
  return at < 0 ? url : url.slice(0, at)
}

/** Finds what answers a method of a URL. A path without `:id` goes before one with it; HEAD is answered as GET. */
export const finder = (routes: ReadonlyArray<Route>): ((method: string, url: string) => Match) => {
  const fixed = new Map(
    routes
      .filter((route) => !hasId(route))
      .map(({ handler, method, path }) => {
        const name = `${method} ${path}`
        return [name, { name, handler, id: "" }]
      })
  )
  const patterns = routes.filter(hasId).map((route) => ({
    name: `${route.method} ${route.path}`,
    handler: route.handler,
    pattern: patternOf(route)
  }))
  return (method, url) => {
    const asked = `${method === "HEAD" ? "GET" : method} ${withoutQuery(url)}`
    const found = fixed.get(asked)
    if (found !== undefined) return found
    for (const { handler, name, pattern } of patterns) {
      const id = pattern.exec(asked)?.[1]
      if (id !== undefined) return { name, handler, id }
    }
    return notFound
  }
}
