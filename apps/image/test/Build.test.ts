import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Build from "../src/Build.js"
import * as Options from "../src/Options.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "image-build-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const write = (file: string, text: string | Uint8Array, mode = 0o644) => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
}

const build = (place: string, args: ReadonlyArray<string>) =>
  Effect.flatMap(Options.parse(["made", ...args]), (options) =>
    Build.build(options, place, join(place, ".."))
  )

/** Whether nothing of a build that failed is left beside what is given to it. */
const assertNothingLeft = (directory: string) => assert.notInclude(readdirSync(directory).join(" "), "made")

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** An OCI layout of these layers, each of which a Python program writes as a tar file named layer.tar. */
const layout = (directory: string, layers: ReadonlyArray<string>) => {
  const add = (bytes: Uint8Array, mediaType: string) => {
    const digest = sha256(bytes)
    write(join(directory, "blobs/sha256", digest), bytes)
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
  }
  const head = `
import io, tarfile, sys
tar = tarfile.open("layer.tar", "w")
def add(name, text="", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(text)
    for key, value in fields.items(): setattr(info, key, value)
    tar.addfile(info, io.BytesIO(text.encode()))
`
  const blobs = layers.map((program) => {
    const made = mkdtempSync(join(tmpdir(), "layer-"))
    execFileSync("python3", ["-c", `${head}${program}\ntar.close()`], { cwd: made })
    const bytes = readFileSync(join(made, "layer.tar"))
    rmSync(made, { recursive: true })
    return add(bytes, "application/vnd.oci.image.layer.v1.tar")
  })
  const json = (value: unknown, type: string) => add(Buffer.from(JSON.stringify(value)), type)
  const architecture = process.arch === "x64" ? "amd64" : process.arch
  const config = json(
    { architecture, os: "linux", config: { Env: ["LEVEL=7", "HOME=/elsewhere", "PATH=/usr/bin:/opt/x"] } },
    "application/vnd.oci.image.config.v1+json"
  )
  const manifest = json(
    { schemaVersion: 2, config, layers: blobs },
    "application/vnd.oci.image.manifest.v1+json"
  )
  const foreign = {
    ...manifest,
    digest: `sha256:${"0".repeat(64)}`,
    platform: { os: "linux", architecture: "s390x" }
  }
  write(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [foreign, manifest] }))
  return blobs
}

layer(NodeContext.layer, { excludeTestServices: true })("An image", (it) => {
  it.scoped("of a directory has its files, readable by all and writable by none, and nothing else", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const [from, place] = [join(directory, "from"), join(directory, "made")]
      write(join(from, "srv/tool"), "#!/bin/sh\n", 0o4777)
      write(join(from, "srv/narrow"), "x", 0o604)
      symlinkSync("/etc/shadow", join(from, "srv/link"))
      execFileSync("mkfifo", [join(from, "srv/fifo")])
      yield* build(place, ["--directory", from, "--description", "Tools"])
      const root = join(place, "root")
      assert.deepStrictEqual(readdirSync(join(root, "srv")).sort(), ["link", "narrow", "tool"])
      assert.strictEqual(lstatSync(join(root, "srv/tool")).mode & 0o7777, 0o755)
      assert.strictEqual(lstatSync(join(root, "srv/narrow")).mode & 0o7777, 0o644)
      assert.strictEqual(lstatSync(join(root, "srv/tool")).uid, process.getuid?.())
      const manifest = readFileSync(join(root, "opt/bulkhead/image.json"), "utf8")
      assert.deepStrictEqual(JSON.parse(manifest), { format: 1, description: "Tools", packages: [], env: {} })
      assert.strictEqual(readFileSync(join(place, "image.json"), "utf8"), manifest)
      assert.deepStrictEqual(readdirSync(directory).sort(), ["from", "made"])
    })
  )

  it.scoped.skipIf(process.getuid?.() !== 0)("of a directory with a file of root's alone is refused", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      write(join(directory, "from/srv/private"), "x", 0o600)
      const { message } = yield* Effect.flip(
        build(join(directory, "made"), ["--directory", join(directory, "from")])
      )
      assert.match(message, /^Copying the directory: .*srv\/private.*Permission denied/)
      assertNothingLeft(directory)
    })
  )

  it.scoped("of a directory whose /opt leads away is refused, and nothing is left", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const [from, elsewhere] = [join(directory, "from"), join(directory, "elsewhere")]
      mkdirSync(from)
      mkdirSync(elsewhere)
      symlinkSync(elsewhere, join(from, "opt"))
      const { message } = yield* Effect.flip(build(join(directory, "made"), ["--directory", from]))
      assert.strictEqual(message, "Writing the manifest: /opt is a link")
      assert.deepStrictEqual(readdirSync(elsewhere), [])
      assertNothingLeft(directory)
    })
  )

  it.scoped("of an OCI layout has its layers, one over the other, and its environment", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      layout(join(directory, "oci"), [
        'add("usr/bin/tool", "one", mode=0o755); add("usr/share/gone", "x"); add("usr/share/full/a", "x")',
        'add("usr/share/.wh.gone"); add("usr/share/full/.wh..wh..opq"); add("usr/share/full/b", "y")'
      ])
      const place = join(directory, "made")
      yield* build(place, ["--oci", join(directory, "oci")])
      const usr = join(place, "root/usr")
      assert.strictEqual(readFileSync(join(usr, "bin/tool"), "utf8"), "one")
      assert.deepStrictEqual(readdirSync(join(usr, "share")), ["full"])
      assert.deepStrictEqual(readdirSync(join(usr, "share/full")), ["b"])
      const { env } = JSON.parse(readFileSync(join(place, "image.json"), "utf8"))
      assert.deepStrictEqual(env, { LEVEL: "7", PATH: "/usr/bin:/opt/x" })
      const lock = JSON.parse(readFileSync(join(place, "image.lock.json"), "utf8"))
      assert.match(lock.oci, /^sha256:[0-9a-f]{64}$/)
      const args = ["--oci", join(directory, "oci"), "--lock", join(place, "image.lock.json")]
      yield* build(join(directory, "made-again"), args)
      write(join(directory, "lock.json"), JSON.stringify({ ...lock, oci: `sha256:${"1".repeat(64)}` }))
      const other = ["--oci", join(directory, "oci"), "--lock", join(directory, "lock.json")]
      assert.match(
        (yield* Effect.flip(build(join(directory, "other"), other))).message,
        /the lock is for sha256:11/
      )
    })
  )

  it.scoped("of an OCI layout that would climb out writes nothing anywhere else", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const outside = join(directory, "outside")
      write(join(outside, "kept"), "kept")
      const hostile = [
        `add("usr/x", "x"); add("usr/out", type=tarfile.SYMTYPE, linkname="${outside}")`,
        'add("usr/out/.wh.kept"); add("usr/out/.wh..wh..opq")',
        'add("../../../../../../../../tmp/climbed", "x"); add("/tmp/climbed", "x")',
        'add("usr/out/new", "x")',
        `add("usr/hard", type=tarfile.LNKTYPE, linkname="${outside}/kept")`
      ]
      for (const [index, layer] of hostile.slice(1).entries()) {
        const oci = join(directory, `oci-${index}`)
        layout(oci, [hostile[0] ?? "", layer])
        yield* Effect.ignore(build(join(directory, "out", `${index}`), ["--oci", oci]))
      }
      assert.deepStrictEqual(readdirSync(outside), ["kept"])
      assert.isFalse(existsSync("/tmp/climbed"))
    })
  )

  it.scoped("of a damaged OCI layout is refused, by what is wrong", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const oci = join(directory, "oci")
      const [blob] = layout(oci, ['add("usr/x", "x")'])
      write(join(oci, "blobs", (blob?.digest ?? "").replace(":", "/")), "other")
      const damaged = yield* Effect.flip(build(join(directory, "made"), ["--oci", oci]))
      assert.strictEqual(damaged.message, `--oci: the blob ${blob?.digest} is damaged`)
      write(join(oci, "index.json"), '{"manifests":[]}')
      const empty = yield* Effect.flip(build(join(directory, "made"), ["--oci", oci]))
      assert.match(empty.message, /^--oci: it has no image for linux\//)
      write(join(oci, "index.json"), "{")
      assert.match((yield* Effect.flip(build(join(directory, "made"), ["--oci", oci]))).message, /^--oci: /)
      assertNothingLeft(directory)
    })
  )

  it.scoped("has a language by its row, with the version that is found", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const row = { name: "posix-sh", file: "main.sh", command: "sh main.sh", check: "sh -n main.sh" }
      write(
        join(directory, "row.json"),
        JSON.stringify({
          ...row,
          version: "own-sh",
          env: { ENV: "x" },
          programs: { "own-sh": "#!/bin/sh\necho own 1.2.3\n" }
        })
      )
      const place = join(directory, "made")
      yield* build(place, ["--language", join(directory, "row.json")])
      const manifest = JSON.parse(readFileSync(join(place, "image.json"), "utf8"))
      assert.deepStrictEqual(manifest.languages, [{ ...row, version: "posix-sh 1.2.3" }])
      assert.deepStrictEqual(manifest.env, { ENV: "x" })
      write(join(directory, "none.json"), JSON.stringify({ ...row, version: "no-such-program --version" }))
      const failed = yield* Effect.flip(
        build(join(directory, "x"), ["--language", join(directory, "none.json")])
      )
      assert.match(failed.message, /Asking for the version of posix-sh: .*no-such-program/)
    })
  )

  it.scoped("that is there is not replaced unless told, and then whole", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      write(join(directory, "one/srv/x"), "one")
      write(join(directory, "two/srv/x"), "two")
      const place = join(directory, "made")
      yield* build(place, ["--directory", join(directory, "one")])
      const again = ["--directory", join(directory, "two")]
      assert.match((yield* Effect.flip(build(place, again))).message, /is there already/)
      assert.strictEqual(readFileSync(join(place, "root/srv/x"), "utf8"), "one")
      yield* build(place, [...again, "--replace"])
      assert.strictEqual(readFileSync(join(place, "root/srv/x"), "utf8"), "two")
      assert.deepStrictEqual(readdirSync(directory).sort(), ["made", "one", "two"])
    })
  )
})
