import { fileURLToPath } from "node:url"
import { Command, FileSystem, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { imageDirectory, MANIFEST } from "../../../packages/host/test/ImageTrees.js"
import * as ServerProcess from "./ServerProcess.js"

/** What deploy/compose.yaml, deploy/kubernetes.yaml and deploy/bulkhead.service grant. */
const granted = [
  ...["chown", "dac_override", "kill", "setgid", "setuid", "net_admin", "sys_ptrace", "sys_admin"],
  "sys_chroot"
]
const withNetwork = { SANDBOX_NETWORK_ALLOW: "pypi.org" }
const bundle = fileURLToPath(new URL("../dist/bulkhead.js", import.meta.url))
const file = (name: string) => fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url))

/** The server as root with these capabilities and no other; the lines that it says. */
const serverWith = (capabilities: ReadonlyArray<string>, settings: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const data = yield* ServerProcess.temporaryDirectory
    const bounding = ["-all", ...capabilities.map((name) => `+${name}`)].join(",")
    const child = yield* Command.make(
      "setpriv",
      ...["--bounding-set", bounding, "--inh-caps", "-all", "--no-new-privs", process.execPath, bundle]
    ).pipe(
      Command.env({
        ...{ PORT: "0", SANDBOX_BACKEND: "embedded", SANDBOX_POOL_MAX: "0", SANDBOX_EVENT_LOG: "off" },
        SANDBOX_DATA_DIR: data,
        ...settings
      }),
      Command.start
    )
    return child.stderr.pipe(Stream.decodeText(), Stream.splitLines)
  })

const run = (url: string, request: object) =>
  HttpClientRequest.post(`${url}/api/execute`).pipe(
    HttpClientRequest.bodyUnsafeJson({ language: "python", ...request }),
    HttpClient.execute,
    Effect.flatMap(({ json }) => json)
  )

const urlIn = <E, R>(lines: Stream.Stream<string, E, R>) =>
  lines.pipe(
    Stream.filterMap((line) => Option.fromNullable(/listening on (\S+)/.exec(line)?.[1])),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

/** Says what the image and the network are to a program that has both. */
const looking = `
import urllib.error, urllib.request
print(open("/srv/greeting").read())
try:
  urllib.request.urlopen("http://denied.example/")
except urllib.error.HTTPError as error:
  print(error.code, error.headers["X-Bulkhead-Policy"])
`

const refusedWithout = (each: string) =>
  Effect.gen(function* () {
    const lines = yield* serverWith(
      granted.filter((name) => name !== each),
      withNetwork
    )
    const said = yield* Stream.mkString(lines)
    const name = each.toUpperCase()
    assert.match(said, new RegExp(`^bulkhead: Sandboxes cannot be isolated here: .*lacks CAP_${name} `))
    assert.include(said, `docker run --cap-add ${name};`)
    assert.notInclude(said, "    at ")
  })

// Nobody but root can be given capabilities here.
describe.runIf(process.getuid?.() === 0)("a server with the capabilities of deploy/ alone", () => {
  it.scopedLive(
    "runs programs in whole sandboxes",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        // What a network takes is not needed without one.
        const lines = yield* serverWith(granted.filter((name) => name !== "sys_chroot"))
        const result = yield* run(yield* urlIn(lines), { code: "print(6 * 7)" })
        assert.include(result, { verdict: "Completed", stdout: "42\n" })
      }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layer])),
    120_000
  )

  it.scopedLive(
    "runs programs with a network and an image",
    () =>
      Effect.gen(function* () {
        yield* ServerProcess.bundled
        const image = yield* imageDirectory({ [MANIFEST]: '{"format": 1}', "srv/greeting": "hello" })
        const lines = yield* serverWith(granted, {
          SANDBOX_IMAGES: `greeting=${image}`,
          ...withNetwork
        })
        const result = yield* run(yield* urlIn(lines), { code: looking, image: "greeting" })
        assert.include(result, { verdict: "Completed", stdout: "hello\n403 denied\n" })
      }).pipe(Effect.provide([NodeContext.layer, NodeHttpClient.layer])),
    120_000
  )

  it.scopedLive(
    "does not start without any of them, and names it and its flag",
    () =>
      Effect.zipRight(
        ServerProcess.bundled,
        Effect.forEach(granted, refusedWithout, { concurrency: 2, discard: true })
      ).pipe(Effect.provide(NodeContext.layer)),
    120_000
  )
})

describe("deploy/", () => {
  it.effect.each([
    ["compose.yaml", (name: string) => `- ${name}\n`],
    ["compose.replicas.yaml", (name: string) => `- ${name}\n`],
    ["kubernetes.yaml", (name: string) => `- ${name}\n`],
    ["bulkhead.service", (name: string) => `CAP_${name}`]
  ] as const)("%s grants just these", ([name, form]) =>
    Effect.gen(function* () {
      const text = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file(name)))
      const wanted = granted.map((each) => each.toUpperCase())
      for (const each of wanted) assert.include(text, form(each))
      const found = [...text.matchAll(/(?:CAP_|^ +- )([A-Z]+(?:_[A-Z]+)*)(?=\s|$)/gm)].map(([, each]) => each)
      assert.deepStrictEqual(
        [...new Set(found)].filter((each) => each !== "ALL").toSorted(),
        wanted.toSorted()
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
