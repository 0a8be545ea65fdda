import { ImageName } from "@bulkhead/domain"
import { Effect, Schema } from "effect"
import { BuildFailure } from "./BuildFailure.js"

/** What an image is to have. */
export interface Options {
  readonly name: string
  readonly python: ReadonlyArray<string>
  readonly npm: ReadonlyArray<string>
  readonly apt: ReadonlyArray<string>
  readonly languages: ReadonlyArray<string>
  readonly oci: string | undefined
  readonly directory: string | undefined
  readonly lock: string | undefined
  readonly description: string | undefined
  /** The image directory; where the server's data lies unless told. */
  readonly place: string | undefined
  readonly scripts: boolean
  readonly replace: boolean
  readonly verbose: boolean
}

export const usage = `npm run image -- NAME [options]     builds an image directory for SANDBOX_IMAGES
  --python PACKAGE ...    from PyPI, where Python finds them
  --npm PACKAGE ...       from npm, where Node finds them
  --apt PACKAGE ...       a whole system of Debian packages, in the place of this machine's
  --language NAME ...     java, go, ruby or r from Debian, or a file with a language's row
  --oci DIRECTORY         the system of an OCI layout
  --directory DIRECTORY   the files of a directory: a system if it has a /usr
  --lock FILE             builds again just what an image.lock.json names
  --scripts               lets packages run scripts of their own, and PyPI's be built from source
  --description TEXT      a sentence for people
  --place DIRECTORY       where it goes, instead of below the server's data
  --verbose               shows all that a command said that failed
  --replace               in the place of an image that is there`

const lists = ["python", "npm", "apt", "language"] as const
const texts = ["oci", "directory", "lock", "description", "place"] as const
const switches = ["scripts", "replace", "verbose"] as const

const packageForms: Readonly<Record<(typeof lists)[number], readonly [form: RegExp, expected: string]>> = {
  python: [
    /^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?([=<>!~]=?[A-Za-z0-9.*+!,<>=~-]+)?$/,
    "a package of PyPI, such as numpy or numpy==1.26.4"
  ],
  npm: [
    /^(@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*(@[A-Za-z0-9^~<>=*][A-Za-z0-9.^~<>=*+-]*)?$/,
    "a package of npm, such as lodash or lodash@4.17.21"
  ],
  apt: [/^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$/, "a package of Debian, such as graphviz"],
  language: [/^[^-\0][^\0]*$/, "the name of a language, or a file"]
}

const isIn = <A extends string>(names: ReadonlyArray<A>, name: string): name is A =>
  names.some((each) => each === name)

const refuse = (why: string) => new BuildFailure({ message: `${why}\n${usage}` })

interface Given {
  readonly names: Array<string>
  readonly lists: Map<string, Array<string>>
  readonly texts: Map<string, string>
  readonly switches: Set<string>
}

/** An option takes the words up to the next one. */
const sort = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const given: Given = { names: [], lists: new Map(), texts: new Map(), switches: new Set() }
  let current: string | undefined
  for (const arg of args) {
    const option = arg.startsWith("--") ? arg.slice(2) : undefined
    if (option !== undefined && isIn(switches, option)) {
      given.switches.add(option)
      current = undefined
    } else if (option !== undefined && (isIn(lists, option) || isIn(texts, option))) current = option
    else if (arg.startsWith("-")) return yield* refuse(`there is no option ${arg}`)
    else if (current === undefined) given.names.push(arg)
    else if (isIn(lists, current)) given.lists.set(current, [...(given.lists.get(current) ?? []), arg])
    else {
      given.texts.set(current, arg)
      current = undefined
    }
  }
  return current !== undefined && isIn(texts, current) ? yield* refuse(`--${current} takes a value`) : given
})

const isName = Schema.is(ImageName)

/** What a command line asks for. */
export const parse = Effect.fn("Options.parse")(function* (args: ReadonlyArray<string>) {
  const given = yield* sort(args)
  const [name = "", ...more] = given.names
  if (!isName(name) || name === "base")
    return yield* refuse(`NAME: expected lower-case letters, digits and -, and not base; got '${name}'`)
  if (more.length > 0) return yield* refuse(`expected one NAME, got '${given.names.join(" ")}'`)
  for (const list of lists) {
    const [form, expected] = packageForms[list]
    const wrong = given.lists.get(list)?.find((each) => !form.test(each))
    if (wrong !== undefined) return yield* refuse(`--${list}: expected ${expected}, got '${wrong}'`)
  }
  const listOf = (list: (typeof lists)[number]) => given.lists.get(list) ?? []
  const options: Options = {
    name,
    python: listOf("python"),
    npm: listOf("npm"),
    apt: listOf("apt"),
    languages: listOf("language"),
    oci: given.texts.get("oci"),
    directory: given.texts.get("directory"),
    lock: given.texts.get("lock"),
    description: given.texts.get("description"),
    place: given.texts.get("place"),
    scripts: given.switches.has("scripts"),
    replace: given.switches.has("replace"),
    verbose: given.switches.has("verbose")
  }
  const packages = [options.python, options.npm, options.apt, options.languages].some(
    ({ length }) => length > 0
  )
  if (!packages && options.oci === undefined && options.directory === undefined && options.lock === undefined)
    return yield* refuse("say what the image is to have")
  if (packages && options.lock !== undefined)
    return yield* refuse("--lock names all packages itself: leave --python, --npm, --apt and --language out")
  const systems = [options.apt.length > 0, options.oci !== undefined, options.directory !== undefined]
  if (systems.filter(Boolean).length > 1)
    return yield* refuse("--apt, --oci and --directory: an image can have one of them")
  return options
})
