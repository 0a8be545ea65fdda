// The form that every package has, so that what is packed from it can be installed and trusted.
import { existsSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { filesIn, root } from "./project.mjs"

/** By this condition the workspace reads sources in place of what is built. No source is run from a packed package. */
const sourceCondition = "bulkhead-source"

const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const isOurs = (name) => name.startsWith("@bulkhead/")
const isEffects = (name) => name === "effect" || name.startsWith("@effect/")

const importPattern = /(?:\bfrom|^import|\bimport\(|\.resolve\() ?"([^".\s][^"\s]*)"/gm
const nameIn = (specifier) => specifier.match(/^(@[^/]+\/)?[^/]+/)[0]

/** The packages that the sources import, or look up to read their files. */
const importsOf = (directory) => {
  const texts = filesIn(join(directory, "src")).map((file) => readFileSync(file, "utf8"))
  const specifiers = texts.flatMap((text) =>
    [...text.matchAll(importPattern)].map(([, specifier]) => specifier)
  )
  return new Set(specifiers.filter((specifier) => !specifier.startsWith("node:")).map(nameIn))
}

/** An entry of `exports` as it is published. */
const published = (entry) =>
  typeof entry === "string"
    ? entry
    : Object.fromEntries(Object.entries(entry).filter(([condition]) => condition !== sourceCondition))

const entryOf = (source) => {
  const built = source.replace("./src/", "./dist/").replace(/\.ts$/, "")
  return { [sourceCondition]: source, types: `${built}.d.ts`, default: `${built}.js` }
}

const isEntry = (directory) => (entry) =>
  isDeepStrictEqual(entry, entryOf(entry[sourceCondition] ?? "")) &&
  existsSync(join(directory, entry[sourceCondition]))

const faultsOfExports = ({ directory, manifest: { exports = {}, publishConfig = {} } }) => {
  const { "./package.json": self, ...entries } = exports
  const whole = Object.fromEntries(Object.entries(exports).map(([path, entry]) => [path, published(entry)]))
  return [
    [!Object.hasOwn(entries, "."), "exports: '.' is missing"],
    [self !== "./package.json", "exports: './package.json' is missing"],
    [
      !Object.values(entries).every(isEntry(directory)),
      `exports: each entry has ${sourceCondition}, types and default, in this order, of one module that is there`
    ],
    [
      !isDeepStrictEqual(publishConfig.exports, whole),
      `publishConfig: its exports are the exports without ${sourceCondition}`
    ]
  ]
}

const faultsOfDependencies = ({ directory, manifest }, all) => {
  const { dependencies = {}, devDependencies = {}, peerDependencies: peers = {} } = manifest
  const own = Object.keys(dependencies).filter(isOurs)
  const peersOfOwn = own.flatMap((name) =>
    Object.keys(all.find(({ manifest }) => manifest.name === name)?.manifest.peerDependencies ?? {})
  )
  const imported = importsOf(directory)
  return [
    ...Object.entries({ ...dependencies, ...devDependencies }).map(([name, range]) => {
      const wanted = isOurs(name) ? "workspace:^" : "catalog:"
      return [range !== wanted, `${name} is '${range}' where it is '${wanted}' everywhere`]
    }),
    ...Object.keys(dependencies).flatMap((name) => [
      [isEffects(name), `${name} is a peer, or two of it may meet in one program`],
      [!imported.has(name), `${name} is a dependency that no source imports`]
    ]),
    ...Object.entries(peers).flatMap(([name, range]) => {
      const wanted = isOurs(name) ? "workspace:^" : "catalog:peers"
      return [
        [range !== wanted, `${name} is '${range}' where it is '${wanted}' as a peer everywhere`],
        [!Object.hasOwn(devDependencies, name), `${name} is a peer that is not there for development`]
      ]
    }),
    ...[...imported]
      .filter((name) => name !== manifest.name)
      .map((name) => [
        !Object.hasOwn({ ...dependencies, ...peers }, name),
        `${name} is imported, but neither a dependency nor a peer`
      ]),
    ...peersOfOwn.map((name) => [
      !Object.hasOwn(peers, name),
      `${name} is a peer of a dependency, but not of this`
    ])
  ]
}

const faultsOfManifest = ({ directory, folder, manifest }, all) => {
  const {
    description = "",
    files = [],
    keywords = [],
    publishConfig = {},
    scripts = {},
    sideEffects
  } = manifest
  return [
    [manifest.name !== `@bulkhead/${folder}`, `its name is not @bulkhead/${folder}`],
    [manifest.version !== all[0].manifest.version, "its version is not that of the others"],
    [Object.hasOwn(manifest, "private"), "it is private"],
    [manifest.license !== "MIT", "license: it is MIT"],
    [!/^[A-Z].+\.$/.test(description), "description: a sentence is missing"],
    [
      !keywords.includes("effect") || !keywords.includes("sandbox"),
      "keywords: 'effect' or 'sandbox' is missing"
    ],
    [manifest.type !== "module", "type: it is 'module'"],
    [
      sideEffects !== false && !Array.isArray(sideEffects),
      "sideEffects: false, or a list of files, is missing"
    ],
    [publishConfig.access !== "public", "publishConfig: its access is 'public'"],
    [!files.includes("dist") || !files.includes("src"), "files: 'dist' or 'src' is missing"],
    ...files
      .filter((name) => name !== "dist")
      .map((name) => [!existsSync(join(directory, name)), `files: there is no ${name}`]),
    [!isDeepStrictEqual(manifest.engines, engines), "engines: they are the project's"],
    [scripts.prepack !== "node ../../scripts/prepack.mjs", "scripts: prepack is missing"]
  ]
}

const readmeOf = (directory) => {
  const path = join(directory, "README.md")
  return existsSync(path) ? readFileSync(path, "utf8") : ""
}

const faultsOfReadme = ({ directory, manifest: { name } }) => [
  [!readmeOf(directory).startsWith("# "), `${relative(root, directory)}/README.md is missing`],
  [!/^```ts$/m.test(readmeOf(directory)), "README.md: it shows no use of the package in a block of ts"],
  [!readmeOf(directory).includes(`"${name}`), "README.md: what it shows does not import the package"]
]

/** What a package lacks of the form, in words, each with the package's name. */
export const faultsOf = (one, all) =>
  [
    ...faultsOfManifest(one, all),
    ...faultsOfExports(one),
    ...faultsOfDependencies(one, all),
    ...faultsOfReadme(one)
  ]
    .filter(([isFault]) => isFault)
    .map(([, words]) => `${one.folder}: ${words}`)
