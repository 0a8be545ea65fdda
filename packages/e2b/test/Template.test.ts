import { execFileSync, spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Guest } from "@bulkhead/guest"
import { assert, describe, it } from "@effect/vitest"
import { Template } from "e2b"
import { Effect, Schema } from "effect"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const dockerfile = join(root, "packages/e2b/template/e2b.Dockerfile")
const harden = join(root, "packages/e2b/template/harden.sh")

const Steps = Schema.parseJson(
  Schema.Struct({
    steps: Schema.Array(Schema.Struct({ type: Schema.String, args: Schema.Array(Schema.String) }))
  })
)

/** What E2B is asked to do, as its own SDK reads the file. */
const steps = Effect.promise(() => Template.toJSON(Template().fromDockerfile(dockerfile), false)).pipe(
  Effect.flatMap(Schema.decodeUnknown(Steps)),
  Effect.map((read) => read.steps)
)

/** The tree of a machine as E2B prepares it: its own are root's, and some is everybody's. */
const prepared = () => {
  const tree = mkdtempSync(join(tmpdir(), "template-"))
  const add = (path: string, text: string, mode: number) => {
    const file = join(tree, path)
    mkdirSync(join(file, ".."), { recursive: true })
    writeFileSync(file, text)
    chmodSync(file, mode)
  }
  add("etc/passwd", "root:x:0:0::/root:/bin/sh\ntoor::0:0::/root:/bin/sh\n", 0o644)
  add("etc/shadow", "root::19000:0:::::\nuser:$6$a:19000:0:::::\n", 0o640)
  add("etc/sudoers", "user ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
  add("etc/sudoers.d/user", "user ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
  add("etc/ssh/sshd_config", "PermitRootLogin yes\nPermitEmptyPasswords yes\n", 0o644)
  add("etc/profile.d/own.sh", "", 0o666)
  add("usr/bin/sudo", "", 0o4755)
  add("srv/mail", "", 0o2755)
  add("usr/local/bin/tick", "", 0o777)
  add("usr/local/lib/theirs", "", 0o644)
  add("home/user/notes", "", 0o666)
  chownSync(join(tree, "usr/local/lib/theirs"), 1000, 1000)
  chmodSync(join(tree, "usr/local"), 0o777)
  return tree
}

const modeOf = (path: string) => statSync(path).mode & 0o7777

describe("the hardened template", () => {
  it.effect("is understood by the SDK, and copies only what there is", () =>
    Effect.gen(function* () {
      const copied = (yield* steps).filter(({ type }) => type === "COPY").map(({ args }) => args[0] ?? "")
      assert.deepStrictEqual(copied, ["packages/guest/bin/guest-x64", "packages/e2b/template/harden.sh"])
      for (const file of copied) assert.isTrue(existsSync(join(root, file)), file)
    })
  )

  it.effect("has the guest program where it is looked for", () =>
    Effect.gen(function* () {
      const { path } = yield* Guest.read("x64")
      const [line = ""] = (yield* steps).flatMap(({ args }) =>
        args.filter((arg) => arg.includes("sha256sum"))
      )
      const [, place = ""] = /(\/opt\/\S+\$\(.*?\))/.exec(line) ?? []
      const said = execFileSync("sh", ["-c", `echo ${place.replace("/tmp/guest", path)}`], {
        encoding: "utf8"
      })
      assert.strictEqual(said, `${Guest.places.x64}\n`)
    })
  )

  it.skipIf(process.getuid?.() !== 0)("shuts the ways that E2B's provisioning leaves", () => {
    const tree = prepared()
    const { status, stderr } = spawnSync("sh", [harden, tree], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    const read = (path: string) => readFileSync(join(tree, path), "utf8")
    assert.strictEqual(read("etc/passwd"), "root:x:0:0::/root:/bin/sh\ntoor:*:0:0::/root:/bin/sh\n")
    assert.strictEqual(read("etc/shadow"), "root:*:19000:0:::::\nuser:$6$a:19000:0:::::\n")
    assert.strictEqual(modeOf(join(tree, "etc/shadow")), 0o640)
    assert.notInclude(read("etc/sudoers"), "NOPASSWD")
    for (const gone of ["etc/sudoers.d", "etc/ssh"]) assert.isFalse(existsSync(join(tree, gone)))
    const modes = {
      "usr/bin/sudo": 0o755,
      "srv/mail": 0o755,
      "usr/local": 0o755,
      "usr/local/bin/tick": 0o755
    }
    for (const [path, mode] of Object.entries(modes)) assert.strictEqual(modeOf(join(tree, path)), mode, path)
    assert.strictEqual(statSync(join(tree, "usr/local/lib/theirs")).uid, 0)
    assert.strictEqual(modeOf(join(tree, "etc/profile.d/own.sh")), 0o644)
    assert.strictEqual(modeOf(join(tree, "home/user/notes")), 0o666)
    assert.isTrue(existsSync(join(tree, "run/bulkhead-hardened")))
    rmSync(tree, { recursive: true })
  })
})
