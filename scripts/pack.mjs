// Builds the packages, packs them as they are published, and looks at what was packed.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { pnpm } from "./dependencies.mjs"
import { installedBy, packages } from "./packages.mjs"
import { fail, filesIn, root, run } from "./project.mjs"

const stemOf = (path) => path.replace(/(\.d)?\.[jt]s(\.map)?$/, "")

/** What was built of sources that are gone. */
const staleIn = (directory) => {
  const stems = new Set(
    filesIn(join(directory, "src")).map((file) => stemOf(relative(join(directory, "src"), file)))
  )
  return filesIn(join(directory, "dist")).filter(
    (file) => !stems.has(stemOf(relative(join(directory, "dist"), file)))
  )
}

/** Builds packages, and leaves nothing there that was built of a source that is gone. */
export const build = (directories) => {
  if (!run(join(root, "node_modules/.bin/tsc"), ["-b", ...directories], { show: true }))
    fail("the packages do not compile")
  for (const file of directories.flatMap(staleIn)) rmSync(file)
}

/** Packs all packages, which must have been built, into an empty directory. Gives the tarballs by package. */
export const pack = (destination) => {
  rmSync(destination, { recursive: true, force: true })
  mkdirSync(destination, { recursive: true })
  const words = ["--recursive", "--filter=./packages/*", "--config.ignore-scripts=true", "pack"]
  if (!pnpm([...words, `--pack-destination=${destination}`])) fail("the packages could not be packed")
  return Object.fromEntries(
    packages().map(({ manifest: { name, version } }) => [
      name,
      join(destination, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
    ])
  )
}

/** Unpacks a tarball beside itself. */
export const unpack = (tarball) => {
  const directory = join(dirname(tarball), basename(tarball, ".tgz"))
  mkdirSync(directory, { recursive: true })
  if (!run("tar", ["--extract", "--file", tarball, "--directory", directory]))
    fail(`${tarball} is no tarball`)
  return join(directory, "package")
}

const targetsOf = (entry) => (typeof entry === "string" ? [entry] : Object.values(entry).flatMap(targetsOf))

const mapsIn = (directory) => filesIn(directory).filter((file) => file.endsWith(".map"))

const lostSourcesOf = (map) =>
  JSON.parse(readFileSync(map, "utf8")).sources.filter((source) => !existsSync(join(dirname(map), source)))

const isExecutable = (file) => (statSync(file).mode & 0o111) !== 0

const faultsOfManifest = (manifest) => {
  const { dependencies = {}, devDependencies = {}, exports, peerDependencies = {} } = manifest
  return [
    [
      /"(workspace|catalog|link|file):/.test(JSON.stringify(manifest)),
      "a version is the workspace's own way of saying it"
    ],
    [JSON.stringify(exports).includes("bulkhead-source"), "exports: they name sources"],
    ...Object.entries(peerDependencies).map(([name, range]) => [
      range !== (devDependencies[name] ?? "").replace(/^\^?/, "^"),
      `${name} ${range} as a peer is not from the version on that was tested: ${devDependencies[name]}`
    ]),
    ...Object.entries(dependencies).map(([name, range]) => [
      range.startsWith("^") !== name.startsWith("@bulkhead/"),
      `${name} ${range}: a dependency is pinned, and one of this project's a range`
    ])
  ]
}

const faultsOfReadme = (readme, { devDependencies = {} }) =>
  Object.entries(installedBy(readme)).map(([name, version]) => [
    !`${devDependencies[name]}.`.startsWith(`${version}.`),
    `README.md: it has ${name}@${version} installed, where ${devDependencies[name]} was tested`
  ])

/** What is wrong with a packed package, in words. */
export const faultsOfPacked = (unpacked, { directory, folder }) => {
  const has = (path) => existsSync(join(unpacked, path))
  const manifest = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8"))
  const files = filesIn(unpacked).map((file) => relative(unpacked, file))
  return [
    ...["LICENSE", "README.md"].map((name) => [!has(name), `${name} is missing`]),
    ...targetsOf(manifest.exports).map((path) => [!has(path), `exports: ${path} is missing`]),
    ...files
      .filter((file) => /(^|\/)test\/|\.test\.|\.tsbuildinfo$/.test(file))
      .map((file) => [true, `${file} is of no use to others`]),
    ...staleIn(unpacked).map((file) => [true, `${relative(unpacked, file)}: its source is gone`]),
    ...mapsIn(unpacked).map((map) => [
      lostSourcesOf(map).length > 0,
      `${relative(unpacked, map)}: its source is missing`
    ]),
    ...files
      .filter((file) => existsSync(join(directory, file)))
      .map((file) => [
        isExecutable(join(directory, file)) && !isExecutable(join(unpacked, file)),
        `${file} is no longer executable: name it in publishConfig.executableFiles`
      ]),
    ...faultsOfManifest(manifest),
    ...faultsOfReadme(has("README.md") ? readFileSync(join(unpacked, "README.md"), "utf8") : "", manifest)
  ]
    .filter(([isFault]) => isFault)
    .map(([, words]) => `${folder}, packed: ${words}`)
}
