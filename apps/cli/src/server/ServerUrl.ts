import { Config, Effect, Option } from "effect"
import { Failure } from "../Failure.js"

/** Where `bulkhead serve` listens unless told otherwise. */
export const usual = "http://127.0.0.1:8787"

const refuse = (source: string, expected: string) =>
  new Failure({ message: `${source}: expected ${expected}, like ${usual}` })

const parse = (source: string, text: string) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return Effect.fail(refuse(source, "the http:// or https:// address of a server"))
  if (url.username !== "" || url.password !== "")
    return Effect.fail(
      refuse(source, "an address without a user or a password (BULKHEAD_TOKEN holds the token)")
    )
  if (url.search !== "" || url.hash !== "") return Effect.fail(refuse(source, "an address without ? and #"))
  return Effect.succeed(url.href.replace(/\/+$/, ""))
}

/** The server that the command or else the environment names. */
export const find = Effect.fn("ServerUrl.find")(function* (given: Option.Option<string>) {
  if (Option.isSome(given)) return Option.some(yield* parse("--server", given.value))
  const variable = yield* Effect.orDie(Config.option(Config.string("BULKHEAD_URL")))
  const named = Option.filter(variable, (text) => text.trim() !== "")
  return Option.isSome(named) ? Option.some(yield* parse("BULKHEAD_URL", named.value.trim())) : Option.none()
})
