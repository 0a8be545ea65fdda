import { Command, FileSystem } from "@effect/platform"
import { Effect, Schema } from "effect"
import { BuildFailure, reasonIn } from "./BuildFailure.js"
import * as BuildSandbox from "./BuildSandbox.js"
import type { ImageLock, Pinned } from "./ImageLock.js"
import * as Registries from "./Registries.js"
import { binds, ROOT, WORK, type Workspace } from "./Workspace.js"

const fail = (message: string) => new BuildFailure({ message })

const [TOOLS, MMDEBSTRAP] = ["/usr/bin", "mmdebstrap"] as const

/** The directory of mmdebstrap: a script of Debian's, which needs no installation. It is fetched where it is missing. */
const fetchTools = Effect.fnUntraced(function* (work: string) {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists(`${TOOLS}/${MMDEBSTRAP}`)) return TOOLS
  if (!(yield* fs.exists("/usr/bin/apt-get")))
    return yield* fail("--apt needs Debian's own tools (apt-get, dpkg-deb): build it on Debian or Ubuntu")
  const fetch = 'cd "$1" && apt-get download mmdebstrap && dpkg-deb -x mmdebstrap_*.deb tool'
  const words = ["-c", `(${fetch}) 2>&1`, "sh", work] as const
  const said = yield* Command.string(Command.make("sh", ...words))
  const place = `${work}/tool${TOOLS}`
  if (yield* fs.exists(`${place}/${MMDEBSTRAP}`)) return place
  return yield* fail(
    `Debian's mmdebstrap cannot be fetched (apt-get update, then try again): ${reasonIn(said)}`
  )
})

const suitesOf = (codename: string) => ["", "-updates", "-security"].map((end) => `${codename}${end}`)

/** Of a file in deb822 form, the paragraphs that name a suite of this release. */
const paragraphsIn = (text: string, suites: ReadonlyArray<string>) =>
  text.split(/\n\s*\n/).flatMap((paragraph) => {
    const [line = "", listed = ""] = /^Suites:(.*)$/m.exec(paragraph) ?? []
    const ours = listed.split(/\s+/).filter((suite) => suites.includes(suite))
    const isOff = /^Enabled:\s*no/im.test(paragraph)
    return ours.length === 0 || isOff ? [] : [paragraph.replace(line, `Suites: ${ours.join(" ")}`)]
  })

const linesIn = (text: string, suites: ReadonlyArray<string>) =>
  text
    .split("\n")
    .filter((line) =>
      suites.some((suite) => new RegExp(`^deb\\s+(\\[[^\\]]*\\]\\s+)?\\S+\\s+${suite}\\s`).test(line))
    )

const readIfThere = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.readFileString(file), () => ""))

/** This machine's sources of its own release, without those of others. */
const sourcesOf = Effect.fnUntraced(function* (codename: string) {
  const fs = yield* FileSystem.FileSystem
  const directory = "/etc/apt/sources.list.d"
  const names = yield* Effect.orElseSucceed(fs.readDirectory(directory), () => [])
  const files = ["/etc/apt/sources.list", ...names.map((name) => `${directory}/${name}`)]
  const texts = yield* Effect.forEach(files, (file) =>
    Effect.map(readIfThere(file), (text) => ({ file, text }))
  )
  const suites = suitesOf(codename)
  const of = (isForm: (file: string) => boolean, take: typeof linesIn) =>
    texts.filter(({ file }) => isForm(file)).flatMap(({ text }) => take(text, suites))
  const found = {
    "debian.sources": of((file) => file.endsWith(".sources"), paragraphsIn).join("\n\n"),
    "debian.list": of((file) => file.endsWith(".list"), linesIn).join("\n")
  }
  const files_ = Object.entries(found).filter(([, text]) => text.trim() !== "")
  if (files_.length === 0) return yield* fail(`this machine's /etc/apt names no source of ${codename}`)
  if (files_.some(([, text]) => /:\/\/[^/\s]*@/.test(text)))
    return yield* fail("a source in /etc/apt holds a password, which packages' scripts would see")
  return files_
})

/** Tells of each package that is installed, while apt still has its lists. */
const TELL = `dpkg-query --admindir="$1/var/lib/dpkg" -W -f '\${Package}:\${Architecture}=\${Version}\\n' |
  sed 's/:all=/=/' | APT_CONFIG=$MMDEBSTRAP_APT_CONFIG xargs apt-cache show --no-all-versions > ${WORK}/debian.txt`

const fieldIn = (paragraph: string, name: string) =>
  new RegExp(`^${name}: (.+)$`, "m").exec(paragraph)?.[1] ?? ""

const pinnedIn = (text: string): ReadonlyArray<Pinned> =>
  text.split("\n\n").flatMap((paragraph) => {
    const [name, version, sha256] = ["Package", "Version", "SHA256"].map((field) => fieldIn(paragraph, field))
    return name === undefined || name === "" ? [] : [{ name, version: version ?? "", sha256: sha256 ?? "" }]
  })

const OsRelease = Schema.String.pipe(Schema.pattern(/^[a-z]+$/))

const codenameOf = Effect.flatMap(readIfThere("/etc/os-release"), (text) =>
  Effect.mapError(Schema.decodeUnknown(OsRelease)(/^VERSION_CODENAME="?([a-z]+)/m.exec(text)?.[1]), () =>
    fail("this machine's /etc/os-release names no release of Debian or Ubuntu")
  )
)

const checkLock = (lock: ImageLock["debian"], found: ReadonlyArray<Pinned>) => {
  if (lock === undefined) return Effect.void
  const key = ({ name, sha256, version }: Pinned) => `${name}=${version} ${sha256}`
  const [locked, installed] = [new Set(lock.packages.map(key)), new Set(found.map(key))]
  const other =
    [...installed].find((each) => !locked.has(each)) ?? [...locked].find((each) => !installed.has(each))
  return other === undefined ? Effect.void : fail(`what was installed is not what the lock names: ${other}`)
}

const proxies = Effect.map(
  Effect.orElseSucceed(Command.string(Command.make("apt-config", "dump")), () => ""),
  (text) =>
    [...text.matchAll(/^Acquire::https?::Proxy "[^"\n]+";$/gm)].flatMap(([line]) => ["--aptopt", line])
)

/** Builds a whole system of Debian packages, with what they depend on, from this machine's own sources. */
export const build = Effect.fn("DebianSystem.build")(function* (
  workspace: Workspace,
  names: ReadonlyArray<string>,
  lock: ImageLock["debian"]
) {
  const fs = yield* FileSystem.FileSystem
  const codename = yield* codenameOf
  if (lock !== undefined && lock.codename !== codename)
    return yield* fail(`the lock is for ${lock.codename}, and this machine is ${codename}`)
  const sources = yield* sourcesOf(codename)
  yield* Effect.forEach(sources, ([name, text]) =>
    fs.writeFileString(`${workspace.work}/${name}`, `${text}\n`)
  )
  const tools = yield* fetchTools(workspace.work)
  const include = lock === undefined ? names : lock.packages.map(({ name, version }) => `${name}=${version}`)
  const { env, binds: files } = yield* Registries.debian(true)
  yield* BuildSandbox.run({
    title: "Installing Debian packages",
    words: [
      ...["perl", `/build/tools/${MMDEBSTRAP}`, "--mode=root", "--variant=essential", "--skip=check/empty"],
      ...["--aptopt", 'Acquire::Retries "2"', ...(yield* proxies)],
      ...["--customize-hook", TELL],
      ...[`--include=${include.join(",")}`, codename, ROOT],
      ...sources.map(([name]) => `${WORK}/${name}`)
    ],
    binds: [
      ...binds(workspace),
      ...files,
      { from: tools, at: "/build/tools" },
      ...(yield* Effect.filter(
        ["/etc/apt/keyrings", "/etc/apt/trusted.gpg.d", "/etc/passwd", "/etc/group"],
        (file) => fs.exists(file)
      )).map((file) => ({ from: file, at: file }))
    ],
    env: { ...env, PATH: "/build/tools:/usr/sbin:/usr/bin:/sbin:/bin" },
    network: true,
    users: "many"
  })
  const packages = pinnedIn(yield* fs.readFileString(`${workspace.work}/debian.txt`))
  yield* checkLock(lock, packages)
  return { codename, packages } satisfies ImageLock["debian"]
})
