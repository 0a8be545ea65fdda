// Nothing of ours may need a Perl: the tests run where there is none.
import { readdirSync } from "node:fs"
import { run } from "./project.mjs"

const programs = () =>
  ["/usr/bin", "/usr/local/bin"].flatMap((directory) =>
    readdirSync(directory)
      .filter((name) => /^perl[\d.]*$/.test(name))
      .map((name) => `${directory}/${name}`)
  )

/** Only this process and its children have these mounts. */
const hide = (paths) => [...paths.map((path) => `mount --bind /dev/null ${path}`), 'exec "$@"'].join(" && ")

const hidden = (paths, words) => [
  "--mount",
  "--propagation",
  "private",
  "sh",
  "-c",
  hide(paths),
  "sh",
  ...words
]

/** The command that runs this one without a Perl; undefined where that takes rights that we lack. */
export const withoutPerl = (words) => {
  const paths = programs()
  return run("unshare", hidden(paths, ["true"])) ? ["unshare", ...hidden(paths, words)] : undefined
}
