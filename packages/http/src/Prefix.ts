/** A path as a router takes it. */
export type Path = `/${string}`

export interface MountOptions {
  /** Where the routes are, like `/bulkhead`: plain segments, no parameters. At the root by default. */
  readonly prefix?: Path | undefined
}

/** The prefix as it stands in front of a route: empty at the root. */
export const of = ({ prefix = "/" }: MountOptions): Path | "" => prefix.replace(/\/+$/, "") as Path | ""

/** A route under the prefix. */
export const under =
  (prefix: Path | "") =>
  (route: Path): Path =>
    `${prefix}${route}`
