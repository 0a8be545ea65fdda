import { Guest, GuestShell } from "@bulkhead/guest"
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

/** Where it may be unpacked, as the shell reads it. */
const directories = ["/tmp", "$HOME"]

/** How the line of a command that starts the supervisor reads, and what its environment has for that. */
export const start = (
  program: Exclude<GuestProgram, { readonly _tag: "Absent" }>
): { readonly line: string; readonly env: Readonly<Record<string, string>> } =>
  program._tag === "Installed"
    ? { line: `exec ${program.place} supervise`, env: {} }
    : {
        line: `${GuestShell.unpackIn(program.directory)} && exec "$f" supervise sent`,
        env: { [GuestShell.variable]: program.packed }
      }

/** A shell line that says what machine a sandbox is, and which guest programs its image has. */
export const probe: string = [GuestShell.machine]
  .concat(Object.values(Guest.places).map((place) => `test -x ${place} && echo guest at ${place}`))
  .join("; ")

/** Where the image has the program, by the probe's word. */
export const placeIn = (said: string, architecture: Guest.Architecture): Option.Option<string> =>
  Option.liftPredicate(Guest.places[architecture], (place) => said.split("\n").includes(`guest at ${place}`))

/** A command that unpacks and tries the program wherever it may be, and says where it runs. */
export const trial = (packed: string): { readonly line: string; readonly env: Record<string, string> } => ({
  line: directories
    .map(
      (directory) => `${GuestShell.unpackIn(directory)} && "$f" check sent && echo 'guest in ${directory}'`
    )
    .concat("true")
    .join("; "),
  env: { [GuestShell.variable]: packed }
})

/** The first directory in which the trial could run it. */
export const directoryIn = (said: string): Option.Option<string> =>
  Option.fromNullable(/^guest in (\S+)$/m.exec(said)?.[1])
