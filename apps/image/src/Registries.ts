import { Command, type CommandExecutor, FileSystem } from "@effect/platform"
import { Config, Effect, Option } from "effect"
import { BuildFailure } from "./BuildFailure.js"
import type { Bind } from "./BuildSandbox.js"

/** How this machine reaches a registry: variables, and the files that they name. */
export interface Registry {
  readonly env: Readonly<Record<string, string>>
  readonly binds: ReadonlyArray<Bind>
}

const variable = (name: string) =>
  Effect.orElseSucceed(Config.option(Config.string(name)), Option.none<string>)

const setAmong = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(names, (name) =>
      Effect.map(
        variable(name),
        Option.map((value) => [name, value] as const)
      )
    ),
    (found) => Object.fromEntries(found.flatMap(Option.toArray))
  )

const network = setAmong([
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
])

const linesOf = (...words: readonly [string, ...Array<string>]) =>
  Effect.orElseSucceed(Command.lines(Command.make(...words)), () => [])

const pipKeys = [
  "index-url",
  "extra-index-url",
  "trusted-host",
  "cert",
  "proxy",
  "timeout",
  "default-timeout"
]

/** pip's own settings of this machine, from its files and its environment, as variables. */
const pipSettings = Effect.map(linesOf("python3", "-m", "pip", "config", "list"), (lines) =>
  Object.fromEntries(
    lines.flatMap((line) => {
      const [, key = "", value = ""] = /^(?:global|install|:env:)\.([a-z-]+)='(.*)'$/.exec(line) ?? []
      return pipKeys.includes(key) ? [[`PIP_${key.toUpperCase().replaceAll("-", "_")}`, value] as const] : []
    })
  )
)

const npmKeys = ["registry", "cafile", "proxy", "https-proxy", "noproxy", "strict-ssl"]

const npmSettings = Effect.map(
  Effect.forEach(npmKeys, (key) =>
    Effect.map(linesOf("npm", "config", "get", key), ([value = ""]) => [key, value] as const)
  ),
  (found) =>
    Object.fromEntries(
      found.flatMap(([key, value]) =>
        ["", "null", "undefined"].includes(value) ? [] : [[`npm_config_${key.replaceAll("-", "_")}`, value]]
      )
    )
)

/** The files that variables name are shown where they are. */
const withFiles = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
  const fs = yield* FileSystem.FileSystem
  const named = Object.values(env).filter(
    (value) => value.startsWith("/") && !value.startsWith("/etc/ssl/certs/")
  )
  const files = yield* Effect.filter([...new Set(named)], (file) =>
    Effect.orElseSucceed(fs.exists(file), () => false)
  )
  return { env, binds: files.map((file): Bind => ({ from: file, at: file })) } satisfies Registry
})

const PASSWORD = /:\/\/[^/\s]*@/

/** A package's own scripts would read it. */
const checkSecrets = ({ env }: Registry, scripts: boolean) => {
  const found = Object.entries(env).find(([, value]) => PASSWORD.test(value))
  return scripts && found !== undefined
    ? new BuildFailure({
        message: `${found[0]} holds a password, which --scripts would show to the packages: leave --scripts out`
      })
    : Effect.void
}

const registryOf = (
  settings: Effect.Effect<Readonly<Record<string, string>>, never, CommandExecutor.CommandExecutor>
) =>
  Effect.fnUntraced(function* (scripts: boolean) {
    const registry = yield* withFiles({ ...(yield* network), ...(yield* settings) })
    yield* checkSecrets(registry, scripts)
    return registry
  })

/** PyPI, or what this machine has in its place. With scripts, fails where a setting holds a password. */
export const pypi = registryOf(pipSettings)

/** npm's registry, or what this machine has in its place. With scripts, fails where a setting holds a password. */
export const npm = registryOf(npmSettings)

/** What apt needs beside its sources. */
export const debian = registryOf(Effect.succeed({}))
