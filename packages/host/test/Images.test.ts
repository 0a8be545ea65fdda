import { EmbeddedHost, type HostOptions } from "@bulkhead/host"
import { assert, describe, it, layer } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect, Layer } from "effect"
import { connection, rejection, run, sandbox } from "./Fixtures.js"
import { unprivilegedWith } from "./HostBundle.js"
import { device, executable, fifo, imageDirectory, linkTo, MANIFEST, programs } from "./ImageTrees.js"

const isRoot = process.getuid?.() === 0

const manifest = JSON.stringify({ format: 1, env: { GREETING: "from the image", HOME_OF: "data" } })

const data = imageDirectory({
  [MANIFEST]: manifest,
  "opt/image/bin/greet": executable('#!/bin/sh\necho "$GREETING"\n'),
  "node_modules/answer/package.json": '{ "name": "answer", "type": "module", "main": "index.js" }',
  "node_modules/answer/index.js": "export default 42\n",
  "node_modules/older/index.js": "module.exports = 41\n",
  "srv/out": linkTo("/etc/passwd"),
  "srv/climb": linkTo("../../../../../../etc/hostname"),
  "srv/suid": executable("#!/bin/sh\nid -u\n", 0o4755),
  "srv/fifo": fifo,
  ...(isRoot ? { "srv/null": device } : {})
})

const system = imageDirectory({
  [MANIFEST]: '{"format": 1}',
  ...programs(["bash", "cat", "ls", "id", "printenv", "touch"]),
  "etc/profile": "PATH=/nowhere\n",
  "etc/passwd": "root:x:0:0:of the image:/root:/bin/sh\n",
  "etc/shadow": "root:secret\n",
  "etc/greeting": "of the image\n",
  "etc/alternatives/greeting": linkTo("/etc/greeting"),
  "var/lib/state": "kept\n",
  "opt/tool/version": "7\n"
})

type HostOf = (options: Partial<HostOptions>) => Layer.Layer<EmbeddedHost, unknown>

const hosts: ReadonlyArray<readonly [what: string, hostOf: HostOf, users: ReadonlyArray<string>]> = [
  ["A host with images", EmbeddedHost.layer, isRoot ? ["user", "root"] : ["user"]],
  ...(isRoot ? [["A host with images that is not root", unprivilegedWith, ["user"]] as const] : [])
]

for (const [what, hostOf, users] of hosts) {
  const host = Layer.unwrapScoped(
    Effect.map(Effect.all({ data, small: system }), (images) => hostOf({ images }))
  )

  layer(host, { excludeTestServices: true, timeout: "60 seconds" })(what, (it) => {
    it.scoped("shows what an image adds, and the plain sandbox has none of it", () =>
      Effect.gen(function* () {
        const [plain, here] = yield* Effect.all([sandbox(), sandbox({ template: "data" })])
        const programs = [
          "greet; echo $HOME_OF",
          "mkdir -p a/b; cd a/b; echo 'import a from \"answer\"; console.log(a)' > m.mjs; node m.mjs",
          "echo 'console.log(require(\"older\"))' > c.cjs; node c.cjs",
          "python3 -c 'print(1)'"
        ].join("; ")
        const { stderr, stdout } = yield* run(here, programs)
        assert.strictEqual(stdout, "from the image\ndata\n42\n41\n1\n", stderr)
        const without = yield* run(plain, "ls /node_modules /srv /opt/bulkhead/image.json; echo $GREETING")
        assert.strictEqual(without.stdout.trim(), "")
      })
    )

    it.scoped("lets a request's own environment win over the image's", () =>
      Effect.gen(function* () {
        const here = yield* sandbox({ template: "data", envs: { GREETING: "mine" } })
        assert.strictEqual((yield* run(here, "greet")).stdout, "mine\n")
      })
    )

    it.scoped("lets nothing of an image be written, or lead out of the sandbox", () =>
      Effect.gen(function* () {
        const here = yield* sandbox({ template: "data" })
        for (const user of users) {
          const attempts = [
            "touch /node_modules/x /opt/image/x /srv/x",
            "rm -rf /node_modules/answer",
            "echo x >> /opt/bulkhead/image.json",
            "chmod 777 /srv/suid",
            "mount -o remount,rw /srv"
          ]
          for (const attempt of attempts)
            assert.notStrictEqual((yield* run(here, attempt, { user })).exitCode, 0, `${user}: ${attempt}`)
        }
        assert.match((yield* run(here, "cat /srv/out")).stdout, /^root:x:0:0:root:/)
        assert.strictEqual((yield* run(here, "cat /srv/climb")).stdout, "sandbox\n")
        assert.strictEqual((yield* run(here, "/srv/suid")).stdout, "1000\n")
        const { stdout } = yield* run(
          here,
          "grep -E ' (/srv|/node_modules|/opt/image) ' /proc/self/mountinfo"
        )
        assert.strictEqual(stdout.trim().split("\n").length, 3)
        for (const line of stdout.trim().split("\n")) assert.match(line, / ro,nosuid,nodev/)
        if (isRoot) assert.notStrictEqual((yield* run(here, "head -c 1 /srv/null")).exitCode, 0)
      })
    )

    it.scoped("puts a whole system in the place of the machine's", () =>
      Effect.gen(function* () {
        const here = yield* sandbox({ template: "small" })
        const commands =
          "ls /usr/bin; cat /etc/greeting /etc/alternatives/greeting /opt/tool/version /var/lib/state"
        assert.strictEqual(
          (yield* run(here, commands)).stdout,
          "bash\ncat\nid\nls\nprintenv\ntouch\nof the image\nof the image\n7\nkept\n"
        )
        assert.strictEqual((yield* run(here, "id -un; echo $HOME")).stdout, "user\n/home/user\n")
        assert.notStrictEqual((yield* run(here, "cat /etc/shadow")).exitCode, 0)
        assert.strictEqual((yield* run(here, "touch /usr/bin/x /etc/x")).exitCode === 0, false)
        yield* Effect.promise(() => here.files.write("note.txt", "written"))
        assert.strictEqual((yield* run(here, "cat note.txt")).stdout, "written")
      })
    )

    it.scoped("says which template a sandbox has, and refuses one that there is not", () =>
      Effect.gen(function* () {
        const here = yield* sandbox({ template: "data" })
        const where = yield* connection
        const info = yield* Effect.promise(() => here.getInfo())
        assert.strictEqual(info.templateId, "data")
        const { message } = yield* rejection(() => Sandbox.create("date", where))
        assert.include(message, 'template "date" not found: this host has base, data, small')
      })
    )

    it.scoped("makes sandboxes of all templates at once", () =>
      Effect.gen(function* () {
        const templates = Array.from(
          { length: 12 },
          (_, index) => ["base", "data", "small"][index % 3] ?? "base"
        )
        const said = yield* Effect.forEach(
          templates,
          (template) =>
            Effect.scoped(
              Effect.flatMap(sandbox({ template }), (here) => run(here, "printenv GREETING || echo none"))
            ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          said.map(({ stdout }) => stdout.trim()),
          templates.map((template) => (template === "data" ? "from the image" : "none"))
        )
      })
    )
  })
}

describe("A host does not start", () => {
  const refusals: ReadonlyArray<readonly [what: string, tree: Parameters<typeof imageDirectory>[0], RegExp]> =
    [
      ["without a manifest", { "srv/x": "" }, /used: it has no \/opt\/bulkhead\/image\.json; npm run image/],
      ["with a manifest that is not JSON", { [MANIFEST]: "{" }, /image\.json is not right/],
      [
        "with a manifest of another form",
        { [MANIFEST]: '{"format": 2}' },
        /image\.json is not right: format: expected 1, got a number$/
      ],
      ["with a manifest without end", { [MANIFEST]: " ".repeat(262_145) }, /at most 262144 bytes/],
      ["with a manifest that is a link", { [MANIFEST]: linkTo("/etc/passwd") }, /image\.json is a link/],
      ["with additions to /etc", { [MANIFEST]: '{"format":1}', "etc/passwd": "" }, /nothing to \/etc/],
      [
        "with a link as a directory",
        { [MANIFEST]: '{"format":1}', srv: linkTo("/etc") },
        /its \/srv is not a dir/
      ],
      ["with a link as /usr", { [MANIFEST]: '{"format":1}', usr: linkTo("/usr") }, /nothing to \/usr/],
      [
        "with a link as a system's /etc",
        { [MANIFEST]: '{"format":1}', "usr/x": "", etc: linkTo("/etc") },
        /its \/etc/
      ],
      [
        "with a system without a shell",
        { [MANIFEST]: '{"format":1}', "usr/bin/x": "" },
        /\/bin\/bash does not run/
      ]
    ]
  for (const [what, tree, reason] of refusals)
    it.scoped(what, () =>
      Effect.gen(function* () {
        const place = yield* imageDirectory(tree)
        const error = yield* Effect.flip(Layer.build(EmbeddedHost.layer({ images: { broken: place } })))
        assert.strictEqual(error._tag, "ImageUnusable")
        assert.include(error.message, `The image 'broken' at ${place} cannot be used`)
        assert.match(error.message, reason)
      })
    )

  it.scoped("on an image with the plain sandbox's name", () =>
    Effect.gen(function* () {
      const images = { base: yield* data }
      const error = yield* Effect.flip(Layer.build(EmbeddedHost.layer({ images })))
      assert.match(error.message, /'base' at .* cannot be used: that is the plain sandbox's name/)
    })
  )

  it.scoped("on an image that is not there", () =>
    Effect.gen(function* () {
      const images = { gone: "/nowhere/image" }
      const error = yield* Effect.flip(Layer.build(EmbeddedHost.layer({ images })))
      assert.match(error.message, /'gone' at \/nowhere\/image cannot be used: there is no such directory/)
    })
  )
})
