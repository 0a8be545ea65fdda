import { Guest } from "@bulkhead/guest"
import { Data, Option } from "effect"

/** How the guest program gets to run in a sandbox, to supervise what runs there. */
export type GuestProgram = Data.TaggedEnum<{
  /** Nothing can be executed there that we bring. */
  Absent: object
  /** It is in the sandbox's image. */
  Installed: { readonly user: "root" | "user"; readonly place: string }
  /** It travels with each command, and is unpacked in a directory in which files can be executed. */
  Sent: { readonly user: "root" | "user"; readonly directory: string; readonly packed: string }
}>

export const GuestProgram = Data.taggedEnum<GuestProgram>()

/** The variable that it travels in. */
const variable = "BULKHEAD_SUPERVISOR"

/** Where it may be unpacked, as the shell reads it. */
const directories = ["/tmp", "$HOME"]

/** Nobody else can have made the file: `set -C` opens it only if it is not there. */
const unpack = (directory: string) =>
  `f=${directory}/.bulkhead-$$; (umask 077; set -C; printf %s "$${variable}" | base64 -d | gzip -d > "$f") && chmod 700 "$f"`

/** How the line of a command that starts the supervisor reads, and what its environment has for that. */
export const start = (
  program: Exclude<GuestProgram, { readonly _tag: "Absent" }>
): { readonly line: string; readonly env: Readonly<Record<string, string>> } =>
  program._tag === "Installed"
    ? { line: `exec ${program.place} supervise`, env: {} }
    : {
        line: `${unpack(program.directory)} && exec "$f" supervise sent`,
        env: { [variable]: program.packed }
      }

/** A shell line that says what machine a sandbox is, and which guest programs its image has. */
export const probe: string = ["echo machine $(uname -m)"]
  .concat(Object.values(Guest.places).map((place) => `test -x ${place} && echo guest at ${place}`))
  .join("; ")

const architectures: Readonly<Record<string, Guest.Architecture>> = { x86_64: "x64", aarch64: "arm64" }

/** The program for the machine that the probe has found. */
export const architectureIn = (said: string): Option.Option<Guest.Architecture> =>
  Option.fromNullable(architectures[/^machine (\w+)$/m.exec(said)?.[1] ?? ""])

/** Where the image has the program, by the probe's word. */
export const placeIn = (said: string, architecture: Guest.Architecture): Option.Option<string> =>
  Option.liftPredicate(Guest.places[architecture], (place) => said.split("\n").includes(`guest at ${place}`))

/** A command that unpacks and tries the program wherever it may be, and says where it runs. */
export const trial = (packed: string): { readonly line: string; readonly env: Record<string, string> } => ({
  line: directories
    .map((directory) => `${unpack(directory)} && "$f" check sent && echo 'guest in ${directory}'`)
    .concat("true")
    .join("; "),
  env: { [variable]: packed }
})

/** The first directory in which the trial could run it. */
export const directoryIn = (said: string): Option.Option<string> =>
  Option.fromNullable(/^guest in (\S+)$/m.exec(said)?.[1])
