import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { build, faultsOfPacked, pack, unpack } from "../pack.mjs"
import { faultsOf } from "../packageForm.mjs"
import { packages, peersOf } from "../packages.mjs"

const all = packages()

describe("the form of a package", () => {
  it.each(all)("is that of $folder", (one) => {
    assert.deepStrictEqual(faultsOf(one, all), [])
  })
})

it("the peers of a package are known, also where it has none", () => {
  const peers = Object.fromEntries(all.map((one) => [one.folder, peersOf(one)]))
  assert.deepInclude(peers, { domain: ["effect"], masking: [] })
})

const scratch = mkdtempSync(join(tmpdir(), "bulkhead-packages-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const store = all.find(({ folder }) => folder === "store")

/** What is said of the store when its manifest is another. */
const faultsWith = (change) => {
  const manifest = structuredClone(store.manifest)
  change(manifest)
  return faultsOf({ ...store, manifest }, all)
}

/** Changes of a manifest after which it is not of the form, and what is said then. */
const changes = {
  "it is private": (manifest) => Object.assign(manifest, { private: true }),
  "its version is not": (manifest) => Object.assign(manifest, { version: "9.9.9" }),
  "license: it is MIT": (manifest) => Object.assign(manifest, { license: "ISC" }),
  "description: a sentence": (manifest) => Object.assign(manifest, { description: "a store" }),
  "keywords: ": (manifest) => Object.assign(manifest, { keywords: [] }),
  "sideEffects: ": (manifest) => delete manifest.sideEffects,
  "engines: ": (manifest) => delete manifest.engines,
  "scripts: prepack": (manifest) => delete manifest.scripts,
  "publishConfig: its access": (manifest) => delete manifest.publishConfig.access,
  "publishConfig: its exports": (manifest) =>
    Object.assign(manifest.publishConfig, { exports: manifest.exports }),
  "exports: '.'": (manifest) => delete manifest.exports["."],
  "exports: './package.json'": (manifest) => delete manifest.exports["./package.json"],
  "exports: each entry": (manifest) => delete manifest.exports["."].types,
  "files: 'dist' or 'src'": (manifest) => Object.assign(manifest, { files: ["dist"] }),
  "files: there is no bin": (manifest) => manifest.files.push("bin"),
  "libsql is '0.5.29'": (manifest) => Object.assign(manifest.dependencies, { libsql: "0.5.29" }),
  "libsql is imported, but neither": (manifest) => delete manifest.dependencies.libsql,
  "@bulkhead/domain is 'workspace:*'": (manifest) =>
    Object.assign(manifest.dependencies, { "@bulkhead/domain": "workspace:*" }),
  "effect is a peer, or two": (manifest) => Object.assign(manifest.dependencies, { effect: "catalog:" }),
  "multipasta is a dependency that no source imports": (manifest) =>
    Object.assign(manifest.dependencies, { multipasta: "catalog:" }),
  "effect is 'catalog:' where": (manifest) =>
    Object.assign(manifest.peerDependencies, { effect: "catalog:" }),
  "effect is a peer that is not there": (manifest) => delete manifest.devDependencies.effect,
  "effect is a peer of a dependency": (manifest) => delete manifest.peerDependencies.effect
}

describe("of a package without the form it is said that", () => {
  it.each(Object.entries(changes))("%s…", (words, change) => {
    assert.isTrue(faultsWith(change).some((fault) => fault.startsWith(`store: ${words}`)))
  })
})

describe("what is packed", () => {
  const guest = all.find(({ folder }) => folder === "guest")
  build(all.map(({ directory }) => directory))
  const tarballs = pack(join(scratch, "packed"))
  const unpacked = (one) => unpack(tarballs[one.manifest.name])

  it.each(all)("of $folder can be installed", (one) => {
    assert.deepStrictEqual(faultsOfPacked(unpacked(one), one), [])
  })

  /** What is said of the packed guest program after a change. */
  const faultsAfter = (change) => {
    const copy = mkdtempSync(join(scratch, "changed-"))
    cpSync(unpacked(guest), copy, { recursive: true })
    change(copy)
    return faultsOfPacked(copy, guest)
  }

  const manifestWith = (change) => (copy) => {
    const path = join(copy, "package.json")
    const manifest = JSON.parse(readFileSync(path, "utf8"))
    change(manifest)
    writeFileSync(path, JSON.stringify(manifest))
  }

  const remove = (name) => (copy) => rmSync(join(copy, name))
  const put = (name) => (copy) => writeFileSync(join(copy, name), "")

  const broken = {
    "LICENSE is missing": remove("LICENSE"),
    "exports: ./dist/index.d.ts is missing": remove("dist/index.d.ts"),
    "dist/Guest.js.map: its source is missing": remove("src/Guest.ts"),
    "dist/Guest.test.js is of no use to others": put("dist/Guest.test.js"),
    "dist/tsconfig.tsbuildinfo is of no use to others": put("dist/tsconfig.tsbuildinfo"),
    "dist/Gone.js: its source is gone": put("dist/Gone.js"),
    "bin/guest-x64 is no longer executable": (copy) => {
      rmSync(join(copy, "bin/guest-x64"))
      put("bin/guest-x64")(copy)
    },
    "a version is the workspace's own": manifestWith((manifest) =>
      Object.assign(manifest.peerDependencies, { effect: "catalog:peers" })
    ),
    "effect ^3.0.0 as a peer": manifestWith(({ peerDependencies }) =>
      Object.assign(peerDependencies, { effect: "^3.0.0" })
    ),
    "libsql ^0.5.29: a dependency is pinned": manifestWith((manifest) =>
      Object.assign(manifest, { dependencies: { libsql: "^0.5.29" } })
    ),
    "exports: they name sources": manifestWith(({ exports }) =>
      Object.assign(exports["."], { "bulkhead-source": "./src/index.ts" })
    ),
    "README.md: it has effect@4 installed": (copy) =>
      writeFileSync(join(copy, "README.md"), "npm install effect@4\n")
  }

  it.each(Object.entries(broken))("is looked at: %s…", (words, change) => {
    assert.isTrue(faultsAfter(change).some((fault) => fault.startsWith(`guest, packed: ${words}`)))
  })
})
