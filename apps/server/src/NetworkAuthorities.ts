import { X509Certificate } from "node:crypto"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { ConfigError, Effect, Option } from "effect"
import { SecretsConfig } from "./settings/SecretsConfig.js"
import { variables } from "./settings/Variables.js"

const wrong = (what: string) => ConfigError.InvalidData([variables.networkAuthorities.name], what)

const certificateForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const check = (path: string) => (certificate: string) =>
  Effect.try({
    try: () => new X509Certificate(certificate).toString(),
    catch: () => wrong(`expected certificates in PEM: ${path} has one that cannot be read`)
  })

/** Certificates, in PEM, that are trusted of hosts which get secrets. A file that has none is a `ConfigError`. */
export const read = Effect.gen(function* () {
  const { authorities } = yield* SecretsConfig
  if (Option.isNone(authorities)) return []
  const path = authorities.value
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(path), () =>
    wrong(`expected a file that can be read: ${path}`)
  )
  const certificates = text.match(certificateForm) ?? []
  if (certificates.length === 0)
    return yield* Effect.fail(wrong(`expected certificates in PEM: ${path} has none`))
  return yield* Effect.forEach(certificates, check(path))
}).pipe(Effect.provide(NodeFileSystem.layer))
