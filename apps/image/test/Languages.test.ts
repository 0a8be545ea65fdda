import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { CommandExitError, Sandbox } from "e2b"
import { Effect, Redacted } from "effect"
import * as BuiltImage from "./BuiltImage.js"

// Building it takes minutes: `npm run image-test` does, and from then on it is there.
const args = ["--language", "java", "go", "ruby", "r"]
const image =
  process.env.IMAGE_TEST === "1" ? BuiltImage.make("languages", args) : BuiltImage.made("languages", args)

interface Row {
  readonly name: string
  readonly version: string
  readonly file: string
  readonly command: string
  readonly check?: string
}

/** A program of each language that reads a file, computes, and prints; and one that its parser refuses. */
const programs: Readonly<Record<string, readonly [right: string, wrong: string]>> = {
  java: [
    'import java.nio.file.*;\nrecord P(int a) {}\npublic class Main { public static void main(String[] x) throws Exception { System.out.println(Files.readString(Path.of("in.txt")) + new P(6).a() * 7); } }',
    "class {"
  ],
  go: [
    'package main\nimport ("fmt"; "os")\nfunc main() { b, _ := os.ReadFile("in.txt"); fmt.Println(string(b) + fmt.Sprint(6*7)) }',
    "package main\nfunc {"
  ],
  ruby: ['require "json"\nputs File.read("in.txt") + JSON.parse("[42]")[0].to_s', "def ("],
  r: ['cat(readLines("in.txt", warn = FALSE), sum(1:8) + 6, "\\n", sep = "")', "x <- ("]
}

layer(EmbeddedHost.layer({ images: image === undefined ? {} : { languages: image } }), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("An image of Debian's languages", (it) => {
  it.scoped.skipIf(image === undefined)(
    "runs Java, Go, Ruby and R by their rows",
    () =>
      Effect.gen(function* () {
        const { apiKey, url } = yield* EmbeddedHost
        const options = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
        const here = yield* Effect.acquireRelease(
          Effect.promise(() => Sandbox.create("languages", options)),
          (made) => Effect.promise(() => made.kill())
        )
        const run = (command: string) =>
          Effect.promise(() =>
            here.commands.run(command, { timeoutMs: 120_000 }).catch((error: unknown) => {
              if (error instanceof CommandExitError) return error
              throw error
            })
          )
        const write = (file: string, text: string) => Effect.promise(() => here.files.write(file, text))
        const manifest = yield* Effect.promise(() => here.files.read("/opt/bulkhead/image.json"))
        const rows: ReadonlyArray<Row> = JSON.parse(manifest).languages
        assert.deepStrictEqual(
          rows.map(({ name }) => name),
          ["java", "go", "ruby", "r"]
        )
        yield* write("in.txt", "it is ")
        for (const { check, command, file, name, version } of rows) {
          const [right, wrong] = programs[name] ?? ["", ""]
          assert.match(version, new RegExp(`^${name} \\d+\\.`))
          yield* write(file, right)
          if (check !== undefined) assert.strictEqual((yield* run(check)).exitCode, 0, name)
          const { exitCode, stderr, stdout } = yield* run(command)
          assert.strictEqual(exitCode, 0, `${name}: ${stderr}`)
          assert.strictEqual(stdout.trim(), "it is 42", name)
          yield* write(file, wrong)
          assert.notStrictEqual((yield* run(check ?? command)).exitCode, 0, name)
        }
        assert.strictEqual((yield* run("python3 -c 'print(6 * 7)'")).stdout, "42\n")
      }),
    400_000
  )
})
