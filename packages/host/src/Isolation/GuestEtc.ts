import { FileSystem, Path } from "@effect/platform"
import { Effect } from "effect"
import { homes } from "./GuestUser.js"

/** The host name of every sandbox. */
export const HOSTNAME = "sandbox"

const files: Record<string, string> = {
  passwd: [
    `root:x:0:0:root:${homes.root}:/bin/bash`,
    `user:x:1000:1000:user:${homes.user}:/bin/bash`,
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
  ].join("\n"),
  group: ["root:x:0:", "user:x:1000:", "nogroup:x:65534:"].join("\n"),
  hosts: `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost`,
  hostname: HOSTNAME,
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files",
  shells: "/bin/sh\n/bin/bash",
  "os-release": 'NAME="Bulkhead sandbox"\nID=bulkhead'
}

/** What sandboxes see of the host's own /etc: what the dynamic linker and the links in /usr/bin need. */
const copies = ["ld.so.cache", "alternatives"]

/** Writes the /etc of every sandbox. It holds no accounts, names or secrets of the host. */
export const write = Effect.fn("GuestEtc.write")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { mode: 0o755 })
  yield* Effect.forEach(Object.entries(files), ([name, text]) =>
    fs.writeFileString(path.join(directory, name), `${text}\n`, { mode: 0o644 })
  )
  yield* Effect.forEach(copies, (name) =>
    Effect.whenEffect(copyTree(`/etc/${name}`, path.join(directory, name)), fs.exists(`/etc/${name}`))
  )
})

const copyTree = Effect.fn("GuestEtc.copyTree")(function* (from: string, to: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.stat(from)
  if (info.type === "File") return yield* fs.copyFile(from, to)
  yield* fs.makeDirectory(to, { mode: 0o755 })
  const names = yield* fs.readDirectory(from)
  yield* Effect.forEach(names, (name) =>
    fs.readLink(`${from}/${name}`).pipe(
      Effect.flatMap((target) => fs.symlink(target, `${to}/${name}`)),
      Effect.ignore
    )
  )
})
