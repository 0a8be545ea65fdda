// `npm run guest`: builds the guest program for every processor, with one pinned compiler, so that all builds are the same bit for bit.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { fail, root, run } from "./project.mjs"

const version = "0.17.1"
const home = join(root, ".setup/zig", version)
const zig = join(home, "ziglang/zig")
const sources = join(root, "packages/guest/c")

const targets = { x64: "x86_64-linux-musl", arm64: "aarch64-linux-musl" }

const flags = [
  ...["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Os"],
  ...["-static", "-fPIE", "-pie", "-fno-sanitize=all", "-fstack-protector-strong"],
  ...["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
  ...["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,--build-id=none", "-s"]
]

/** Fetches the compiler into .setup, if it is not there yet. Says whether it is there then. */
export const ensureCompiler = () => {
  if (existsSync(zig)) return true
  mkdirSync(home, { recursive: true })
  const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", home, `ziglang==${version}`]
  return run("python3", pip) && existsSync(zig)
}

/** Every C file, in an order that does not depend on the file system. */
const files = () =>
  readdirSync(sources)
    .filter((name) => name.endsWith(".c"))
    .sort()

/** Builds all binaries into a directory; gives their SHA-256 by architecture. */
export const build = (directory) => {
  mkdirSync(directory, { recursive: true })
  const cache = join(root, ".setup/zig-cache")
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache }
  const sums = {}
  for (const [architecture, target] of Object.entries(targets)) {
    const file = join(directory, `guest-${architecture}`)
    const words = ["cc", "-target", target, ...flags, ...files(), "-o", file]
    if (!run(zig, words, { env, cwd: sources }))
      fail(`the guest program does not compile for ${architecture}`)
    sums[architecture] = createHash("sha256").update(readFileSync(file)).digest("hex")
  }
  return sums
}

const sumsFile = (sums) => `// Made by \`npm run guest\`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
${Object.entries(sums)
  .map(([architecture, sum]) => `  ${architecture}: "${sum}"`)
  .join(",\n")}
} as const
`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!ensureCompiler()) fail(`the compiler could not be had: pip cannot install ziglang ${version}`)
  writeFileSync(join(root, "packages/guest/src/Sums.ts"), sumsFile(build(join(root, "packages/guest/bin"))))
}
