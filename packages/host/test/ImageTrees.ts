import { execFileSync } from "node:child_process"
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"

/** A file of a tree that a test makes: text, or what makes something else at its place. */
type Made = string | ((place: string) => void)

/** An image directory whose root has these files, readable by everybody; it goes with the scope. */
export const imageDirectory = (files: Readonly<Record<string, Made>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "image-"))
      chmodSync(directory, 0o755)
      mkdirSync(join(directory, "root"))
      for (const [name, made] of Object.entries(files)) {
        const place = join(directory, "root", name)
        mkdirSync(dirname(place), { recursive: true })
        if (typeof made === "string") writeFileSync(place, made)
        else made(place)
      }
      return directory
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

export const MANIFEST = "opt/bulkhead/image.json"

export const linkTo = (target: string) => (place: string) => symlinkSync(target, place)

export const executable =
  (text: string, mode = 0o755) =>
  (place: string) => {
    writeFileSync(place, text)
    chmodSync(place, mode)
  }

export const fifo = (place: string) => void execFileSync("mkfifo", ["-m", "666", place])
export const device = (place: string) => void execFileSync("mknod", ["-m", "666", place, "c", "1", "3"])

/** Programs of this machine with all that they load, as the files of a system of its own. */
export const programs = (names: ReadonlyArray<string>): Readonly<Record<string, Made>> => {
  const loaded = names.flatMap((name) => {
    const said = execFileSync("ldd", [`/usr/bin/${name}`], { encoding: "utf8" })
    return [...said.matchAll(/(\/\S+) \(0x/g)].map(([, file]) => file ?? "")
  })
  const copyOf = (file: string) => (place: string) => {
    copyFileSync(file, place)
    chmodSync(place, 0o755)
  }
  return {
    ...Object.fromEntries(
      [...new Set(loaded)].map((file) => [`usr${file.replace(/^\/usr/, "")}`, copyOf(file)] as const)
    ),
    ...Object.fromEntries(names.map((name) => [`usr/bin/${name}`, copyOf(`/usr/bin/${name}`)] as const)),
    ...{ bin: linkTo("usr/bin"), lib: linkTo("usr/lib"), lib64: linkTo("usr/lib64") }
  }
}
