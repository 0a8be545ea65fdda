import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Payload } from "@bulkhead/api"
import { ExecutionRequest } from "@bulkhead/domain"
import { Command } from "@effect/cli"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, JSONSchema, Ref } from "effect"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as CommandLine from "../src/CommandLine.js"
import { Failure } from "../src/Failure.js"
import * as Request from "../src/run/Request.js"
import * as Sendable from "../src/server/Sendable.js"

const environment = { API_KEY: "sk-of-the-environment", SHORT: "short" }

/** The request that these words of a command line ask for. */
const asked = (words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const made = yield* Ref.make<object>({})
    const command = Command.make("run", Request.options, (given) =>
      Effect.flatMap(Request.make(given, []), (request) =>
        Effect.zipRight(Sendable.check(Payload, request), Ref.set(made, request))
      )
    )
    const { own } = CommandLine.split(words)
    yield* Command.run(command, { name: "run", version: "0" })(["node", "run", ...own])
    return yield* Ref.get(made)
  }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))),
    Effect.provide(NodeContext.layer)
  )

const refusal = (...words: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(asked(words)), (error) => {
    assert.instanceOf(error, Failure)
    return error.message
  })

const files = Effect.map(ServerProcess.temporaryDirectory, (directory) => {
  const [program, secret] = [join(directory, "a.py"), join(directory, "secret")]
  writeFileSync(program, "print(1)")
  writeFileSync(secret, "sk-of-the-file\n")
  return { program, secret }
})

type JsonSchema = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly allOf?: ReadonlyArray<JsonSchema>
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
}

const { $defs, ...contract } = JSONSchema.make(ExecutionRequest) as JsonSchema

/** The paths of all that can be written, `*` for any member of what is no struct. */
const pathsOf = (schema: JsonSchema, at = ""): ReadonlyArray<string> => {
  if (schema.$ref !== undefined) return pathsOf($defs?.[schema.$ref.slice("#/$defs/".length)] ?? {}, at)
  const { additionalProperties: more, allOf = [], anyOf = [], items, patternProperties = {} } = schema
  const properties = Object.entries(schema.properties ?? {})
  const anyMember = [
    ...(typeof more === "object" ? [more] : []),
    ...(items === undefined ? [] : [items]),
    ...Object.values(patternProperties)
  ]
  const below = [
    ...properties.flatMap(([name, member]) => pathsOf(member, `${at}.${name}`)),
    ...anyMember.flatMap((member) => pathsOf(member, `${at}.*`)),
    ...[...anyOf, ...allOf].filter(({ type }) => type !== "null").flatMap((part) => pathsOf(part, at))
  ]
  return below.length === 0 ? [at.slice(1)] : below
}

/** The paths of what is written, as the contract has them. */
const writtenIn = (value: unknown, at = ""): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap((item) => writtenIn(item, `${at}.*`))
  if (typeof value !== "object" || value === null) return [at.slice(1)]
  const isRecord = at === ".env" || at === ".secrets"
  return Object.entries(value).flatMap(([name, member]) =>
    writtenIn(member, `${at}.${isRecord ? "*" : name}`)
  )
}

/** Fields that the command line leaves out on purpose. */
const leftOut: Readonly<Record<string, string>> = {
  "files.*.fileId": "the command line sends a file itself",
  // Its object says the same.
  webhook: "it sends the object",
  // Those of --stdin, which takes all that comes on this process's: tested in Run.test.ts.
  stdin: "",
  stdinEncoding: ""
}

describe("a request of the command line", () => {
  it.scopedLive("can say all that the contract can, but what is left out on purpose", () =>
    Effect.gen(function* () {
      const { program, secret } = yield* files
      const request = yield* asked([
        ...[program, "--language", "python", "--image", "data", "--timeout", "5", "--user", "ann"],
        ...["--arg", "-x", "--env", "A=1", "--file", `in.csv=${program}`, "--output-dir", "out"],
        ...["--network", "filtered", "--allow", "pypi.org", "--deny=203.0.113.0/24"],
        ...[
          "--secret",
          "API_KEY=a.example,b.example:8443",
          "--secret-header=API_KEY=Authorization: Bearer {}"
        ],
        ...["--secret", "FROM_FILE=a.example", "--secret-file", `FROM_FILE=${secret}`],
        ...["--kept-secret", "KEPT=openai", "--gpus", "2", "--gpu-kind", "NVIDIA L4", "--retry"],
        ...["--key", "order-17", "--webhook", "https://a.example/", "--webhook-event", "execution.started"]
      ])
      const written = new Set(writtenIn(request))
      const missing = [...new Set(pathsOf(contract))].filter(
        (path) => !written.has(path) && leftOut[path] === undefined
      )
      assert.deepStrictEqual(missing, [], "offer an option for it, or say why it is left out")
      assert.deepInclude(request, {
        network: { mode: "filtered", allow: ["pypi.org"], deny: ["203.0.113.0/24"] },
        gpu: { count: 2, kind: "NVIDIA L4" },
        outputDir: "out",
        retryOnFailure: true,
        idempotencyKey: "order-17",
        webhook: { url: "https://a.example/", events: ["execution.started"] },
        secrets: {
          API_KEY: {
            value: environment.API_KEY,
            hosts: ["a.example", "b.example:8443"],
            header: "Authorization: Bearer {}"
          },
          FROM_FILE: { value: "sk-of-the-file", hosts: ["a.example"] },
          KEPT: { name: "openai" }
        }
      })
    })
  )

  it.scopedLive("says nothing of the network, GPUs and webhooks unless told", () =>
    Effect.gen(function* () {
      const { program } = yield* files
      const request = yield* asked([program])
      assert.notProperty(request, "network")
      assert.notProperty(request, "gpu")
      assert.notProperty(request, "webhook")
      const without = yield* asked([program, "--network", "off"])
      assert.deepInclude(without, { network: { mode: "off" } })
    })
  )

  it.scopedLive("takes no secret as an argument, and never repeats one", () =>
    Effect.gen(function* () {
      const { program, secret } = yield* files
      const never = /never given as an argument/
      const value = "sk-of-an-argument"
      const said = yield* Effect.all([
        refusal(program, "--secret", value),
        refusal(program, "--secret", `${value}=`),
        refusal(program, "--secret", `NOWHERE=${value}`),
        refusal(program, "--secret", `API_KEY=${environment.API_KEY}`),
        refusal(program, "--kept-secret", value)
      ])
      for (const message of said) {
        assert.match(message, never)
        assert.notInclude(message, value)
        assert.notInclude(message, environment.API_KEY)
      }
      assert.match(said[2] ?? "", /NOWHERE is not in this environment: .* --secret-file NOWHERE=PATH/)
      const short = yield* refusal(program, "--secret", "SHORT=a.example")
      assert.strictEqual(short, "secrets.SHORT.value: expected 8 to 8192 characters")
      const [fileAlone, twice, both] = yield* Effect.all([
        refusal(program, "--secret-file", `API_KEY=${secret}`),
        refusal(program, "--secret", "API_KEY=a.example", "--secret", "API_KEY=b.example"),
        refusal(program, "--secret", "API_KEY=a.example", "--kept-secret", "API_KEY=openai")
      ])
      assert.match(fileAlone, /^--secret-file: say by --secret API_KEY=HOST/)
      assert.match(twice, /^--secret: API_KEY is there twice/)
      assert.match(both, /^--kept-secret: API_KEY is a --secret too/)
    })
  )

  it.scopedLive("says what else has to be said", () =>
    Effect.gen(function* () {
      const { program } = yield* files
      assert.match(yield* refusal(program, "--gpu-kind", "NVIDIA L4"), /^--gpu-kind: say by --gpus how many/)
      assert.match(
        yield* refusal(program, "--webhook-event", "execution.started"),
        /^--webhook-event: say by --webhook which URL/
      )
      assert.match(yield* refusal(program, "--gpus", "0"), /^gpu\.count: expected a whole number of GPUs/)
      assert.match(yield* refusal(program, "--allow", "127.1"), /^network\.allow\.0: /)
    })
  )
})
