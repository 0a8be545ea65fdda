import { createHash } from "node:crypto"
import { FileSystem, Path } from "@effect/platform"
import { Effect, Schema, Stream } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import { binds, ROOT, type Workspace } from "./Workspace.js"

const fail = (message: string) => new BuildFailure({ message: `--oci: ${message}` })

const Digest = Schema.String.pipe(Schema.pattern(/^sha256:[0-9a-f]{64}$/))
const Platform = Schema.Struct({ os: Schema.String, architecture: Schema.String })
const Descriptor = Schema.Struct({
  mediaType: Schema.String,
  digest: Digest,
  platform: Schema.optional(Platform)
})
type Descriptor = typeof Descriptor.Type

const Index = Schema.Struct({ manifests: Schema.Array(Descriptor) })
const Manifest = Schema.Struct({
  config: Descriptor,
  layers: Schema.Array(Descriptor).pipe(Schema.maxItems(500))
})
const Configuration = Schema.Struct({
  architecture: Schema.optional(Schema.String),
  config: Schema.optional(Schema.Struct({ Env: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))) }))
})

const MOST_JSON = 4 * 1_048_576
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }
const ours = architectures[process.arch] ?? process.arch

/** Layers in any form that tar can read. */
const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs\.diff)\.(?:v1\.)?tar(?:[+.](?:gzip|zstd))?$/
const INDEX = /(?:image\.index|manifest\.list)/

/**
 * One layer after the other, as their format says: first what it removes of the layers below, then what it has. A name
 * that leads through a link leads to nothing but this command's own places.
 */
const script = `cd ${ROOT} || exit 1
for layer in "$@"; do
  tar -tf "$layer" > /tmp/names || exit 1
  grep -E '(^|/)\\.wh\\.' /tmp/names > /tmp/removed
  while IFS= read -r name; do
    directory=$(dirname -- "$name") base=$(basename -- "$name")
    if [ "$base" = .wh..wh..opq ]; then
      [ -d "./$directory" ] && find "./$directory" -mindepth 1 -delete
    else rm -rf -- "./$directory/\${base#.wh.}"
    fi
  done < /tmp/removed
  tar -xf "$layer" --no-same-owner --delay-directory-restore --no-acls --no-xattrs \\
    --exclude='.wh.*' --exclude='./dev/*' --exclude='dev/*' || exit 1
  chmod -R u+rwX . || exit 1
done`

const blobOf = (directory: string, { digest }: Descriptor) => `${directory}/blobs/${digest.replace(":", "/")}`

/** A blob is what its name says. */
const check = Effect.fnUntraced(function* (directory: string, descriptor: Descriptor) {
  const fs = yield* FileSystem.FileSystem
  const hash = yield* fs.stream(blobOf(directory, descriptor)).pipe(
    Stream.runFold(createHash("sha256"), (sum, bytes) => sum.update(bytes)),
    Effect.mapError(({ message }) => fail(message))
  )
  if (`sha256:${hash.digest("hex")}` !== descriptor.digest)
    return yield* fail(`the blob ${descriptor.digest} is damaged`)
})

const readJson = <A, I>(file: string, schema: Schema.Schema<A, I>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file)
    if (size > MOST_JSON) return yield* fail(`${file} is larger than 4 MiB`)
    return yield* Effect.flatMap(fs.readFileString(file), Schema.decodeUnknown(Schema.parseJson(schema)))
  }).pipe(Effect.mapError(({ message }) => fail(message.replaceAll(/\s+/g, " "))))

const blob = <A, I>(directory: string, descriptor: Descriptor, schema: Schema.Schema<A, I>) =>
  Effect.zipRight(check(directory, descriptor), readJson(blobOf(directory, descriptor), schema))

/** The manifest for this machine's processor, through indexes of indexes. */
const manifestIn = (
  directory: string,
  { manifests }: typeof Index.Type,
  depth = 0
): Effect.Effect<Descriptor, BuildFailure, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fitting = manifests.filter(
      ({ platform }) => platform === undefined || (platform.os === "linux" && platform.architecture === ours)
    )
    const [found] = fitting
    if (found === undefined || depth > 4) return yield* fail(`it has no image for linux/${ours}`)
    if (!INDEX.test(found.mediaType)) return found
    return yield* manifestIn(directory, yield* blob(directory, found, Index), depth + 1)
  })

const ownNames = ["HOME", "USER", "LOGNAME", "HOSTNAME", "PWD", "TERM"]

const environmentIn = (lines: ReadonlyArray<string>) =>
  Object.fromEntries(
    lines.flatMap((line) => {
      const [, name = "", value = ""] = /^([A-Za-z_]\w*)=([^\0]*)$/s.exec(line) ?? []
      return name === "" || ownNames.includes(name) ? [] : [[name, value] as const]
    })
  )

/** Lays out the image of an OCI layout, without its devices and owners. Gives its environment, and what pins it. */
export const unpack = Effect.fn("OciLayout.unpack")(function* (
  workspace: Workspace,
  given: string,
  locked: string | undefined
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* Effect.mapError(fs.realPath(path.resolve(given)), ({ message }) => fail(message))
  const index = yield* readJson(`${directory}/index.json`, Index)
  const found = yield* manifestIn(directory, index)
  if (locked !== undefined && locked !== found.digest)
    return yield* fail(`the lock is for ${locked}, and this is ${found.digest}`)
  const manifest = yield* blob(directory, found, Manifest)
  const configuration = yield* blob(directory, manifest.config, Configuration)
  if (configuration.architecture !== undefined && configuration.architecture !== ours)
    return yield* fail(`it is for ${configuration.architecture}, and this machine is ${ours}`)
  const strange = manifest.layers.find(({ mediaType }) => !LAYER.test(mediaType))
  if (strange !== undefined) return yield* fail(`layers of the kind ${strange.mediaType} are not known`)
  yield* Effect.forEach(manifest.layers, (layer) => check(directory, layer), { discard: true })
  const layers = manifest.layers.map((layer) => blobOf("/build/oci", layer))
  yield* BuildSandbox.run({
    title: "Unpacking the OCI layout",
    words: ["/bin/sh", "-c", script, "sh", ...layers],
    binds: [...binds(workspace), { from: directory, at: "/build/oci" }]
  })
  return { digest: found.digest, env: environmentIn(configuration.config?.Env ?? []) }
})
