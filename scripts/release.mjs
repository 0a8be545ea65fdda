// `npm run release`: builds, packs and checks all packages, uses them as others would, and publishes them.
//   --dry-run    does everything but publish
import { spawnSync } from "node:child_process"
import { statSync } from "node:fs"
import { join, relative } from "node:path"
import { parseArgs } from "node:util"
import { faultsOfUse, reachesRegistry } from "./consumer.mjs"
import { pnpm } from "./dependencies.mjs"
import { build, faultsOfPacked, pack, unpack } from "./pack.mjs"
import { faultsOf } from "./packageForm.mjs"
import { packages, peersOf } from "./packages.mjs"
import { fail, filesIn, root } from "./project.mjs"
import { setup } from "./setup.mjs"

const usage = "usage: npm run release -- [--dry-run]"

const readOptions = () => {
  try {
    return parseArgs({ options: { "dry-run": { type: "boolean", default: false } } }).values
  } catch (error) {
    return fail(`${error.message.split("\n")[0]}\n${usage}`)
  }
}

const { "dry-run": isDry } = readOptions()

const stopAt = (faults) => {
  if (faults.length > 0) fail(faults.join("\nbulkhead: "))
}

/** What publint and arethetypeswrong say of a tarball, if they say that something is wrong. */
const faultsByTools = (tarball) =>
  [
    ["publint", "run", tarball, "--strict"],
    ["attw", tarball, "--profile", "esm-only"]
  ].flatMap(([tool, ...words]) => {
    const { status, stderr, stdout } = spawnSync(join(root, "node_modules/.bin", tool), words, {
      encoding: "utf8"
    })
    return status === 0 ? [] : [`${tool}: ${relative(root, tarball)}\n${stdout}${stderr}`]
  })

setup()
const all = packages()
stopAt(all.flatMap((one) => faultsOf(one, all)))
build(all.map(({ directory }) => directory))
const tarballs = pack(join(root, ".setup/packages"))

const table = all.map((one) => {
  const { name, version } = one.manifest
  const unpacked = unpack(tarballs[name])
  stopAt([...faultsOfPacked(unpacked, one), ...faultsByTools(tarballs[name])])
  return {
    package: name,
    version,
    files: filesIn(unpacked).length,
    KiB: Math.ceil(statSync(tarballs[name]).size / 1024),
    peers: peersOf(one).join(" ")
  }
})
console.table(Object.fromEntries(table.map(({ package: name, ...columns }) => [name, columns])))
console.log(`publint and arethetypeswrong found nothing in ${relative(root, join(root, ".setup/packages"))}.`)

if (reachesRegistry()) stopAt(await faultsOfUse(tarballs))
else console.log("Skipped: installing them with npm and pnpm, since npm reaches no registry from here.")

if (isDry) console.log("Nothing was published.")
else if (!pnpm(["--recursive", "--filter=./packages/*", "publish"], { show: true }))
  fail("not all packages were published")
