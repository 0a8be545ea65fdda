import { Harmless, type ImageList } from "@bulkhead/domain"
import { Command } from "@effect/cli"
import { Command as Program } from "@effect/platform"
import { Effect } from "effect"
import { Ended, Failure } from "../Failure.js"
import { ProgramArguments } from "../ProgramArguments.js"
import * as Project from "../Project.js"
import * as Connection from "../server/Connection.js"
import { print } from "../terminal/Output.js"
import * as Table from "../terminal/Table.js"
import { json } from "./Json.js"

type Contents = ImageList["plain"]

const row = (name: string, { error, languages, packages }: Contents, description = "") => [
  name,
  error?.message ?? languages.map(({ name, version }) => `${name} (${version})`).join(", "),
  String(packages.length),
  description
]

const rows = ({ images, plain }: ImageList) => [
  row("(none)", plain, "the plain sandbox"),
  ...images.map(({ description, name, ...contents }) => row(name, contents, description))
]

const list = Command.make(
  "list",
  { json, ...Connection.options },
  Effect.fn("Image.list")(function* (given) {
    const { ask, client } = yield* Connection.make(given)
    const found = yield* ask(client.images.images())
    const lines = given.json
      ? [Harmless.json(found)]
      : Table.lines(["IMAGE", "LANGUAGES", "PACKAGES", "DESCRIPTION"], rows(found))
    yield* Effect.forEach(lines, print, { discard: true })
  })
).pipe(Command.withDescription("Lists the images that a server has, and what is in them."))

const build = Command.make(
  "build",
  {},
  Effect.fn("Image.build")(function* () {
    const words = yield* ProgramArguments
    const builder = Program.make(process.execPath, Project.script("image.mjs"), ...words).pipe(
      Program.stdin("inherit"),
      Program.stdout("inherit"),
      Program.stderr("inherit")
    )
    const code = yield* Effect.mapError(
      Program.exitCode(builder),
      () => new Failure({ message: "the builder was ended before it was done" })
    )
    if (code !== 0) return yield* new Ended({ code })
  })
).pipe(
  Command.withDescription(
    "Builds an image on this machine: image build -- NAME --python numpy. '-- --help' says more."
  )
)

export const command = Command.make("image").pipe(
  Command.withDescription("Lists and builds images."),
  Command.withSubcommands([list, build])
)
