import { describeGpus, type ImageDescription, type ImageList } from "@bulkhead/domain"
import { describePolicy, SandboxService } from "@bulkhead/sandbox"
import { HttpServer } from "@effect/platform"
import { Console, Effect, Layer, Redacted } from "effect"
import { Backend } from "./Backend.js"
import * as DataPlace from "./DataPlace.js"
import { Instance } from "./data/Instance.js"
import { ServerConfig } from "./settings/ServerConfig.js"
import { StoreConfig } from "./settings/StoreConfig.js"
import * as Terminal from "./Terminal.js"

const loopbackOf = (host: string) => (host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host)

const urlOf = (host: string, address: HttpServer.Address) => {
  const name = host.includes(":") ? `[${host}]` : host
  return address._tag === "TcpAddress" ? `http://${name}:${address.port}` : address.path
}

const curl = (url: string, needsKey: boolean) =>
  [
    `curl -s ${url}/api/execute`,
    ...(needsKey ? ["-H 'Authorization: Bearer <key>'"] : []),
    "-H 'Content-Type: application/json'",
    `-d '{"code": "print(\\"Hello, World!\\")", "language": "python"}'`
  ].join(" ")

type Contents = ImageList["plain"]

const languagesOf = ({ error, languages }: Contents) =>
  error === undefined
    ? languages.map(({ name, version }) => `${name} (${version})`).join(", ")
    : `not known, since no sandbox could be started: ${error.message}`

/** As many packages as are named one by one. */
const mostNamed = 8

const packagesOf = ({ packages }: Contents) => {
  const named = packages.slice(0, mostNamed).map(({ name, version }) => `${name} ${version}`)
  const others = packages.length - named.length
  return [...named, ...(others > 0 ? [`${others} more`] : [])].join(", ")
}

const contentsOf = ({ name, ...contents }: ImageDescription) =>
  [name, contents.description, languagesOf(contents), packagesOf(contents)].filter(Boolean).join(": ")

/** Beside a terminal, stdout has lines of JSON alone. */
const print = (text: string) =>
  Effect.if(Terminal.isOnStdout, { onTrue: () => Console.log(text), onFalse: () => Console.error(text) })

const line = (name: string, value: string) => print(`  ${name.padEnd(12)}${value}`)

/** Says where the server listens and how to use it. A token that nobody chose is printed here, this once. */
export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { adminToken, adminTokenIsRandom, callerKeys, host } = yield* ServerConfig
    const { address } = yield* HttpServer.HttpServer
    const { gpus, isolation } = yield* Backend
    const url = urlOf(loopbackOf(host), address)
    yield* print(`Bulkhead is listening on ${urlOf(host, address)}`)
    yield* line("admin token", adminTokenIsRandom ? Redacted.value(adminToken) : "from ADMIN_API_TOKEN")
    yield* line("instance", yield* Instance)
    yield* line("data", DataPlace.describe(yield* StoreConfig))
    yield* line("isolation", isolation)
    const { network } = yield* SandboxService
    if (network !== undefined) yield* line("network", describePolicy(network))
    yield* line("GPUs", describeGpus(gpus))
    yield* line("docs", `${url}/docs`)
    yield* line("dashboard", `${url}/dashboard`)
    yield* line("try", curl(url, callerKeys.length > 0))
    // Found out in a sandbox, which may take a while in the cloud.
    yield* Effect.forkScoped(
      Effect.gen(function* () {
        const { images, plain } = yield* (yield* SandboxService).images
        yield* line("languages", languagesOf(plain))
        yield* Effect.forEach(images, (image) => line("image", contentsOf(image)), { discard: true })
      })
    )
  })
)
