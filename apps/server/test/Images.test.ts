import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as BuiltImage from "../../image/test/BuiltImage.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const scratch = mkdtempSync(join(tmpdir(), "images-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A language that nobody else has: it says in capitals what it reads, and has no question marks. */
const shout = {
  name: "shout",
  file: "main.txt",
  command: "shout main.txt",
  check: "! grep -q '?' main.txt",
  version: "shout --version",
  env: { MARK: "!" },
  programs: {
    shout: `#!/bin/sh
[ "$1" = --version ] && echo shout 1.2.3 && exit
grep -q '?' "$1" && exit 2
tr a-z A-Z < "$1"; echo "$MARK"`
  }
}

/** Built as users build one, from what is on this machine. */
const tiny = () => {
  const [files, row, place] = [join(scratch, "files"), join(scratch, "shout.json"), join(scratch, "tiny")]
  mkdirSync(join(files, "srv"), { recursive: true })
  writeFileSync(join(files, "srv/greeting"), "hello")
  writeFileSync(row, JSON.stringify(shout))
  const description = ["--description", "For those who are hard of hearing"]
  const words = ["tiny", "--directory", files, "--language", row, "--place", place, ...description]
  const { status, stderr } = BuiltImage.run(words)
  assert.strictEqual(status, 0, stderr)
  return place
}

const packages = ["numpy", "pandas", "matplotlib", "openpyxl", "requests"]
const data = BuiltImage.make("data", ["--python", ...packages])

const images = { tiny: tiny(), ...(data !== undefined && { data }) }
const server = ServerProcess.layer({
  SANDBOX_IMAGES: Object.entries(images)
    .map(([name, place]) => `${name}=${place}`)
    .join(",")
})

const drawing = `
import numpy as np, pandas as pd
import matplotlib.pyplot as plt
table = pd.DataFrame({"x": np.arange(10), "y": np.arange(10) ** 2})
table.to_excel("output/table.xlsx", index=False)
plt.plot(table.x, table.y)
plt.savefig("output/plot.png")
plt.savefig("output/plot.pdf")
print(pd.read_excel("output/table.xlsx").y.sum())
`

/** The README's command that draws, at another address. */
const readmeDrawing = (url: string) => {
  const text = readFileSync(fileURLToPath(new URL("../../../README.md", import.meta.url)), "utf8")
  const blocks = [...text.matchAll(/^```bash\n(.*?)^```/gms)].map(([, block]) => block ?? "")
  return (
    blocks.find((block) => block.includes('"image": "data"'))?.replace("http://127.0.0.1:8787", url) ?? ""
  )
}

const bash = (script: string) =>
  Effect.async<string>((resume) => {
    execFile("bash", ["-c", script], (error, stdout) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
  })

layer(server, { excludeTestServices: true, timeout: "90 seconds" })("Images over HTTP", (it) => {
  it.effect("runs programs in an image, in a language of its own, and tells of what is invalid there", () =>
    Effect.gen(function* () {
      const files = yield* Caller.execute({ code: "cat /srv/greeting", language: "bash", image: "tiny" })
      assert.deepInclude(files, { image: "tiny", verdict: "Completed", stdout: "hello" })
      const said = yield* Caller.execute({ code: "good day", language: "shout", image: "tiny" })
      assert.deepInclude(said, { verdict: "Completed", stdout: "GOOD DAY!\n", stderr: "" })
      const invalid = yield* Caller.execute({ code: "really?", language: "shout", image: "tiny" })
      assert.deepInclude(invalid, { verdict: "NonZeroExit", exitCode: 2 })
      assert.strictEqual(invalid.error?.code, "INVALID_CODE")
    })
  )

  it.effect("leaves the plain sandbox as it is", () =>
    Effect.gen(function* () {
      const code = "ls /srv/greeting /opt/image; echo $MARK"
      const { image, stdout } = yield* Caller.execute({ code, language: "bash" })
      assert.deepStrictEqual([image, stdout], [undefined, "\n"])
    })
  )

  it.effect("refuses an image that is not there, and a language that is another image's", () =>
    Effect.gen(function* () {
      const refused = (request: { readonly language?: string; readonly image?: string }) =>
        Effect.map(Caller.post({ code: "1", ...request }), ({ body, status }) => [status, body.error.message])
      assert.deepStrictEqual(yield* refused({ image: "other" }), [
        400,
        `image: expected one of ${Object.keys(images).join(", ")}`
      ])
      const usual = "python, javascript, typescript, bash"
      assert.deepStrictEqual(yield* refused({ language: "shout" }), [
        400,
        `language: expected one of ${usual}`
      ])
      assert.deepStrictEqual(yield* refused({ language: "lua", image: "tiny" }), [
        400,
        `language: expected one of ${usual}, shout`
      ])
    })
  )

  it.effect("tells callers what there is to choose from", () =>
    Effect.gen(function* () {
      const listed = yield* Caller.get("/api/images")
      const named = ({ name }: { readonly name: string }) => name
      assert.deepStrictEqual(listed.images.map(named), Object.keys(images))
      const [{ description, languages }] = listed.images
      assert.strictEqual(description, "For those who are hard of hearing")
      assert.deepInclude(languages, { name: "shout", version: "shout 1.2.3" })
      assert.notInclude(listed.plain.languages.map(named), "shout")
      if (data !== undefined) assert.includeMembers(listed.images[1].packages.map(named), packages)
    })
  )

  it.effect.skipIf(data === undefined)("keeps what is drawn with PyPI's packages, as the README has it", () =>
    Effect.gen(function* () {
      const result = yield* Caller.execute({ code: drawing, image: "data" })
      assert.deepInclude(result, { verdict: "Completed", stdout: "285\n", rejectedArtifacts: [] })
      assert.deepStrictEqual(
        result.artifacts.map(({ mediaType, name }) => [name, mediaType]),
        [
          ["plot.pdf", "application/pdf"],
          ["plot.png", "image/png"],
          ["table.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
        ]
      )
      const { url } = yield* ServerProcess.ServerProcess
      const { artifacts } = JSON.parse(yield* bash(readmeDrawing(url)))
      assert.deepInclude(artifacts[0], { name: "plot.png", mediaType: "image/png" })
    })
  )

  it.effect("has told the operator of each image when it started", () =>
    Effect.gen(function* () {
      const { ended, kill } = yield* ServerProcess.ServerProcess
      yield* kill("SIGTERM")
      const { stderr } = yield* ended
      assert.match(
        stderr,
        /^ {2}image {7}tiny: For those who are hard of hearing: .*shout \(shout 1\.2\.3\)/m
      )
      if (data !== undefined) assert.match(stderr, /^ {2}image {7}data: .*: numpy \d\S*, pandas \d/m)
    })
  )
})
