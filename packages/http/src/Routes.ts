import { HttpApi } from "@effect/platform"

/** A route as the contract has it, with `:name` for a parameter. */
export interface Route {
  readonly method: string
  readonly path: string
}

/** The routes of an HttpApi. */
export const of = (api: HttpApi.HttpApi.Any): ReadonlyArray<Route> => {
  const routes: Array<Route> = []
  // `Any` has no groups.
  HttpApi.reflect(api as HttpApi.HttpApi.AnyWithProps, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint: { method, path } }) => void routes.push({ method, path })
  })
  return routes
}

const matches = (pattern: string, path: string) => {
  const wanted = pattern.split("/")
  const given = path.split("/")
  return (
    wanted.length === given.length &&
    wanted.every((segment, index) =>
      segment.startsWith(":") ? given[index] !== "" : segment === given[index]
    )
  )
}

/** Of the routes that match a path, that with the fewest parameters. */
export const patternOf = (routes: ReadonlyArray<Route>, path: string): string | undefined => {
  const matching = routes.filter((route) => matches(route.path, path)).map((route) => route.path)
  const parameters = (pattern: string) => pattern.split("/:").length
  return matching.toSorted((one, other) => parameters(one) - parameters(other))[0]
}

/** The methods that a path takes; none: there is no such path. */
export const methodsAt = (routes: ReadonlyArray<Route>, path: string): ReadonlyArray<string> => [
  ...new Set(
    routes
      .filter((route) => matches(route.path, path))
      .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]))
  )
]
