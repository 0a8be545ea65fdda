import { Option } from "effect"
import { type Architecture, places } from "./Guest.js"

/** The variable in which the program travels to an image that lacks it. */
export const variable = "BULKHEAD_SUPERVISOR"

/**
 * A shell line that unpacks it into a directory, as `$f`. Nobody else can have made that file: `set -C` opens only what
 * is not there.
 */
export const unpackIn = (directory: string): string =>
  [
    `f=${directory}/.bulkhead-$$`,
    `(umask 077; set -C; printf %s "$${variable}" | base64 -d | gzip -d > "$f") && chmod 700 "$f"`
  ].join("; ")

/** A shell line that says what machine it runs on. */
export const machine = "echo machine $(uname -m)"

const architectures: Readonly<Record<string, Architecture>> = { x86_64: "x64", aarch64: "arm64" }

/** The architecture that `machine` has told. */
export const architectureIn = (said: string): Option.Option<Architecture> =>
  Option.fromNullable(architectures[/^machine (\w+)$/m.exec(said)?.[1] ?? ""])

/** A shell line that becomes the image's own program, if it has one. */
export const becomeInstalled = (words: string): string =>
  `for f in ${Object.values(places).join(" ")}; do if [ -x $f ]; then exec $f ${words}; fi; done`
