import { Either, Encoding, Option, Redacted } from "effect"
import type { StoreSettings } from "./settings/StoreConfig.js"

const decoded = (text: string) => Either.getOrElse(Encoding.decodeUriComponent(text), () => text)

/** A database by its host and its name alone: the rest of its address is secret. */
const databaseOf = (url: Redacted.Redacted) => {
  const { host, pathname, searchParams, username } = new URL(Redacted.value(url))
  const name = decoded(pathname.slice(1)) || decoded(username)
  return `PostgreSQL '${name}' at ${searchParams.get("host") ?? decoded(host)}`
}

/** Where the data is, in words for people. */
export const describe = ({
  databaseUrl,
  directory
}: Pick<StoreSettings, "databaseUrl" | "directory">): string =>
  Option.match(databaseUrl, {
    onNone: () => directory,
    onSome: (url) => `${databaseOf(url)}, artifacts in ${directory}`
  })
