import { Command, FileSystem, Path } from "@effect/platform"
import { Effect } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import { binds, ROOT, WORK, type Workspace } from "./Workspace.js"

/** Copies a directory's files. Fails at one that other users may not read, since the image will be read by all. */
export const copy = Effect.fn("Tree.copy")(function* (workspace: Workspace, given: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const from = yield* Effect.mapError(
    fs.realPath(path.resolve(given)),
    ({ message }) => new BuildFailure({ message: `--directory: ${message}` })
  )
  yield* BuildSandbox.run({
    title: "Copying the directory",
    words: ["/bin/sh", "-c", `cd /build/from && cp -R --preserve=mode,timestamps,links . ${ROOT}`],
    binds: [...binds(workspace), { from, at: "/build/from" }]
  })
})

/** Whether the tree is a whole system, in the place of the machine's own. */
export const isSystem = Effect.fn("Tree.isSystem")(function* ({ root }: Workspace) {
  const fs = yield* FileSystem.FileSystem
  const isLink = yield* Effect.isSuccess(fs.readLink(`${root}/usr`))
  return !isLink && (yield* fs.exists(`${root}/usr`))
})

/** What a sandbox has of its own, and what tells of the machine where the tree was built. */
const unused = [
  ...["dev", "proc", "sys", "run", "tmp", "home", "root", "boot", "media", "mnt", "lost+found"],
  ...["etc/apt", "etc/resolv.conf", "etc/hostname", "etc/hosts", "etc/mtab", "etc/machine-id"],
  ...["etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "etc/ssh", ".dockerenv"],
  ...["usr/share/man", "usr/share/info", "usr/share/lintian"],
  ...["var/cache", "var/log", "var/tmp", "var/run", "var/lock", "var/spool", "var/mail", "var/lib/apt/lists"]
]

const writing = `cd ${ROOT} || exit 1
for place in opt opt/bulkhead opt/image etc usr; do [ ! -L "$place" ] || { echo "/$place is a link" >&2; exit 1; }; done
if [ "$1" = system ]; then shift; rm -rf -- "$@"; fi
mkdir -p opt/bulkhead && cp ${WORK}/image.json opt/bulkhead/image.json
rmdir opt/image/bin opt/image 2>/dev/null || true`

const ours = `find "$1" -xdev ! -type d ! -type f ! -type l -delete &&
if [ "$(id -u)" = 0 ]; then chown -hR 0:0 "$1"; fi &&
find "$1" -xdev \\( -type d -o -type f \\) -print0 | xargs -0 -r chmod u=rwX,go=rX,a-st`

/** Puts the manifest in, takes out what is of no use, and makes the rest readable by all and writable by nobody else. */
export const finish = Effect.fn("Tree.finish")(function* (workspace: Workspace, manifest: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(`${workspace.work}/image.json`, manifest)
  const system = (yield* isSystem(workspace)) ? ["system", ...unused] : ["additions"]
  yield* BuildSandbox.run({
    title: "Writing the manifest",
    words: ["/bin/sh", "-c", writing, "sh", ...system],
    binds: binds(workspace),
    users: "owners"
  })
  const said = yield* Command.string(Command.make("sh", "-c", `{ ${ours}; } 2>&1`, "sh", workspace.root))
  if (said.trim() !== "")
    return yield* new BuildFailure({ message: `The tree cannot be finished: ${said.trim().slice(0, 300)}` })
})
