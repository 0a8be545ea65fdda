import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { addresses, target } from "./EgressTargets.js"
import { run, sandbox } from "./Fixtures.js"

const PORT = 8081
const site = `good.example:${PORT}`

const wheel = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as file:
    file.writestr("tiny.py", "word = 'from a wheel'\\n")
    file.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    file.writestr("tiny-1.0.dist-info/RECORD", "")
`

const makePip = (root: string) => {
  mkdirSync(join(root, "simple/tiny"), { recursive: true })
  execFileSync("python3", ["-c", wheel, join(root, "tiny-1.0-py3-none-any.whl")])
  writeFileSync(
    join(root, "simple/tiny/index.html"),
    '<a href="/tiny-1.0-py3-none-any.whl">tiny-1.0-py3-none-any.whl</a>'
  )
}

const makeNpm = (root: string) => {
  mkdirSync(join(root, "package"))
  mkdirSync(join(root, "npm"))
  const manifest = { name: "tiny", version: "1.0.0", main: "index.js" }
  writeFileSync(join(root, "package/package.json"), JSON.stringify(manifest))
  writeFileSync(join(root, "package/index.js"), "module.exports = 'from a tarball'")
  execFileSync("tar", ["-czf", "tiny-1.0.0.tgz", "package"], { cwd: root })
  const integrity = `sha512-${createHash("sha512")
    .update(readFileSync(join(root, "tiny-1.0.0.tgz")))
    .digest("base64")}`
  const dist = { tarball: `http://${site}/tiny-1.0.0.tgz`, integrity }
  writeFileSync(
    join(root, "npm/tiny"),
    JSON.stringify({
      ...{ name: "tiny", "dist-tags": { latest: "1.0.0" } },
      versions: { "1.0.0": { ...manifest, dist } }
    })
  )
}

const makeGit = (root: string) => {
  const git = (...words: ReadonlyArray<string>) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...words], {
      cwd: join(root, "repo"),
      stdio: "ignore"
    })
  mkdirSync(join(root, "repo"))
  git("init", "-q")
  writeFileSync(join(root, "repo/word"), "from a repository\n")
  git("add", ".")
  git("commit", "-qm", "A word")
  git("clone", "-q", "--bare", ".", "../repo.git")
  execFileSync("git", ["update-server-info"], { cwd: join(root, "repo.git") })
}

const serve = (root: string) =>
  Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const path = join(root, new URL(request.url ?? "/", "http://a").pathname)
        const file = existsSync(path) && statSync(path).isDirectory() ? join(path, "index.html") : path
        if (!existsSync(file)) return response.writeHead(404).end()
        response.setHeader("content-type", file.endsWith(".html") ? "text/html" : "application/json")
        response.end(readFileSync(file))
      })
      server.listen(PORT, addresses.open, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "egress-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const host = Layer.unwrapScoped(
  Effect.gen(function* () {
    const root = yield* directory
    for (const make of [makePip, makeNpm, makeGit]) make(root)
    yield* serve(root)
    const names = { addressesOf: () => Effect.succeed([addresses.open]) }
    return EmbeddedHost.layer({ network: { private: [target(addresses.open)], names } })
  })
)

const rows = [
  {
    name: "pip",
    does: `python3 -m pip install -q --user --index-url http://${site}/simple --trusted-host good.example tiny && python3 -c 'import tiny; print(tiny.word)'`,
    says: "from a wheel",
    other: "python3 -m pip download --index-url https://other.example/simple tiny",
    refused: /other\.example is not allowed/
  },
  {
    name: "npm",
    does: `npm install --silent --registry http://${site}/npm/ tiny >&2 && node -p 'require("tiny")'`,
    says: "from a tarball",
    other: "npm install --registry https://other.example/ tiny",
    refused: /403/
  },
  {
    name: "git",
    does: `git clone -q http://${site}/repo.git && cat repo/word`,
    says: "from a repository",
    other: "git clone https://other.example/repo.git no",
    refused: /403/
  },
  {
    name: "curl",
    does: `curl -sf http://${site}/repo.git/HEAD`,
    says: "ref: refs/heads",
    other: "curl -S https://other.example/",
    refused: /403/
  },
  {
    name: "curl over SOCKS",
    does: `curl -sf -x socks5h://127.0.0.1:3128 http://${site}/repo.git/HEAD`,
    says: "ref: refs/heads",
    other: "curl -S -x socks5h://127.0.0.1:3128 https://other.example/",
    refused: /\(2\)|not allowed|ruleset/
  }
]

layer(host, { excludeTestServices: true })("Clients that know of proxies", (it) => {
  for (const { does, name, other, refused, says } of rows)
    it.scoped(`${name} works unchanged, and says when it is refused`, () =>
      Effect.gen(function* () {
        const here = yield* sandbox({ network: { allowOut: ["good.example"], denyOut: ["0.0.0.0/0"] } })
        const [program = ""] = name.split(" ")
        if ((yield* run(here, `${program} --version`)).exitCode === 127) return
        const done = yield* run(here, does)
        assert.include(done.stdout, says, done.stderr)
        const not = yield* run(here, other)
        assert.notStrictEqual(not.exitCode, 0)
        assert.match(not.stdout + not.stderr, refused)
      })
    )
})
