// `npm run guest`: builds the guest program for every processor with one pinned compiler, the same bit for bit each time.
//   build DIRECTORY         into that directory; prints the SHA-256 of each
//   fuzz SECONDS            every parser under the sanitizers, for so long in all
//   checked COMMAND ...     runs a command while the program is one built with the sanitizers
// Each exits with 75 where this machine lacks a compiler for it.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { fail, root, run, runTogether } from "./project.mjs"

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

const lacking = (what) => {
  console.log(what)
  process.exit(75)
}

/** Fetches the compiler into .setup, if it is not there yet. */
const ensureCompiler = () => {
  if (existsSync(zig)) return
  mkdirSync(home, { recursive: true })
  const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--timeout", "20", "--retries", "1"]
  const { status } = spawnSync("python3", [...pip, "--target", home, `ziglang==${version}`])
  if (status !== 0) lacking(`pip cannot install ziglang ${version} here`)
}

/** The C files of a directory, in an order that does not depend on the file system. */
const filesIn = (directory) =>
  readdirSync(join(sources, directory))
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(directory, name))
    .sort()

/** Builds all binaries into a directory; gives their SHA-256 by architecture. */
const build = async (directory) => {
  ensureCompiler()
  mkdirSync(directory, { recursive: true })
  const cache = join(root, ".setup/zig-cache")
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache }
  const fileFor = (architecture) => join(directory, `guest-${architecture}`)
  const commands = Object.entries(targets).map(([architecture, target]) => [
    ...[zig, "cc", "-target", target, ...flags, ...filesIn("."), "-o", fileFor(architecture)]
  ])
  if (!(await runTogether(commands, { env, cwd: sources }))) fail("the guest program does not compile")
  const sumOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex")
  return Object.fromEntries(
    Object.keys(targets).map((architecture) => [architecture, sumOf(fileFor(architecture))])
  )
}

const sumsFile = (sums) => `// Made by \`npm run guest\`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
${Object.entries(sums)
  .map(([architecture, sum]) => `  ${architecture}: "${sum}"`)
  .join(",\n")}
} as const
`

const sanitizers = [
  ...["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-omit-frame-pointer"],
  ...["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
]

/** Builds with the machine's own compiler and its sanitizers. */
const buildChecked = (name, files, more = []) => {
  const file = join(root, ".setup", name)
  mkdirSync(join(root, ".setup"), { recursive: true })
  for (const compiler of ["gcc", "clang"]) {
    const { status } = spawnSync(compiler, [...sanitizers, ...more, ...files, "-o", file], { cwd: sources })
    if (status === 0) return file
  }
  return lacking("neither gcc nor clang builds with address and undefined-behaviour sanitizers here")
}

const parsers = ["frames", "plan", "requests", "settings", "environment", "processes", "sockets"]
/** What a supervisor reads of its environment it keeps until its end, so that one would fill the memory. */
const longest = 20

const fuzz = (seconds, seed) => {
  const parts = filesIn(".").filter((name) => name !== "main.c")
  const program = buildChecked("guest-fuzz", [...parts, "checked/fuzz.c"])
  const until = Date.now() + seconds * 1000
  for (let round = 0; round === 0 || Date.now() < until; round++) {
    for (const parser of parsers) {
      const share = Math.min(longest, Math.ceil(seconds / parsers.length))
      const env = { ...process.env, ASAN_OPTIONS: `detect_leaks=${parser === "environment" ? 0 : 1}` }
      const words = [parser, String(share), String(seed + round)]
      console.log(`${[program, ...words].join(" ")}`)
      if (!run(program, words, { env, show: true })) process.exit(1)
    }
  }
}

/** Puts a checked program in the place of the built one for as long as a command runs. */
const withChecked = ([command, ...words]) => {
  const binary = join(root, `packages/guest/bin/guest-${process.arch}`)
  const checked = buildChecked("guest-checked", [...filesIn("."), "checked/options.c"], ["-static-libasan"])
  const kept = `${binary}.kept`
  renameSync(binary, kept)
  try {
    copyFileSync(checked, binary)
    process.exitCode = run(command, words, { show: true }) ? 0 : 1
  } finally {
    renameSync(kept, binary)
  }
}

const [what, ...words] = process.argv.slice(2)
if (what === "build") console.log(JSON.stringify(await build(words[0])))
else if (what === "fuzz") fuzz(Number(words[0]), Number(words[1] ?? Date.now() % 1_000_000))
else if (what === "checked") withChecked(words)
else {
  const sums = await build(join(root, "packages/guest/bin"))
  writeFileSync(join(root, "packages/guest/src/Sums.ts"), sumsFile(sums))
}
