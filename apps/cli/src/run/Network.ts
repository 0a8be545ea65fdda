import { NetworkMode } from "@bulkhead/domain"
import { type Command, Options } from "@effect/cli"
import { Option } from "effect"
import { present } from "../Present.js"
import { texts } from "./TextOption.js"

const target = "a name, *.NAME, an address or a network, each maybe with :PORT"

/** What the program may connect to. */
export const options = {
  network: Options.choice("network", NetworkMode.literals).pipe(
    Options.withDescription(
      "off: none; filtered: only what --allow names; open: all but what --deny names. Never more than the operator allows."
    ),
    Options.optional
  ),
  allow: texts("allow", "TARGET", `What it may connect to: ${target}.`),
  deny: texts("deny", "TARGET", "What it may not connect to, whatever allows it.")
}

const some = (targets: ReadonlyArray<string>) => Option.liftPredicate(targets, ({ length }) => length > 0)

/** The request's `network`; none where nothing is said of it. */
export const of = ({ allow, deny, network }: Command.Command.ParseConfig<typeof options>) => {
  const asked = {
    ...present("mode", network),
    ...present("allow", some(allow)),
    ...present("deny", some(deny))
  }
  return Object.keys(asked).length === 0 ? Option.none() : Option.some(asked)
}
