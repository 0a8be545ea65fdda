import { webcrypto } from "node:crypto"
import { createSecureContext, type SecureContext } from "node:tls"
import { Cache, Clock, Duration, Effect, Redacted } from "effect"

// Loaded only where it is used: it would add to the start-up time of whoever hides no secrets.
const library = Effect.promise(async () => {
  // What the library was compiled to needs it before anything else.
  await import("reflect-metadata")
  return import("@peculiar/x509")
})

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }

/** Clocks differ; and no sandbox lives longer than a day. */
const early = Duration.days(1)
const late = Duration.days(7)

/** Names that one sandbox may be served at a time. */
const mostNames = 256

/** Vouches inside one sandbox for the names whose connections end here. Its key never leaves this process. */
export interface CertificateAuthority {
  /** What must be trusted for it, in PEM. */
  readonly certificate: string
  /** A certificate of the name's, with its key, as TLS servers take them. */
  readonly contextFor: (name: string) => Effect.Effect<SecureContext>
}

const generateKeys = Effect.promise(() => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]))

const validity = Effect.map(Clock.currentTimeMillis, (now) => ({
  notBefore: new Date(now - Duration.toMillis(early)),
  notAfter: new Date(now + Duration.toMillis(late))
}))

/** A fresh authority that nobody trusts yet. */
export const make: Effect.Effect<CertificateAuthority> = Effect.gen(function* () {
  const x509 = yield* library
  const usage = (flags: number) => new x509.KeyUsagesExtension(flags, true)
  const pemOfKey = (key: webcrypto.CryptoKey) =>
    Effect.promise(() => webcrypto.subtle.exportKey("pkcs8", key)).pipe(
      Effect.map((bytes) => Redacted.make(x509.PemConverter.encode(bytes, "PRIVATE KEY")))
    )
  const keys = yield* generateKeys
  const dates = yield* validity
  const identifier = yield* Effect.promise(() =>
    x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto)
  )
  const own = yield* Effect.promise(() =>
    x509.X509CertificateGenerator.createSelfSigned(
      {
        name: "CN=Bulkhead secrets of one sandbox",
        keys,
        signingAlgorithm: algorithm,
        ...dates,
        extensions: [
          new x509.BasicConstraintsExtension(true, 0, true),
          usage(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign),
          identifier
        ]
      },
      webcrypto
    )
  )
  const certificate = own.toString("pem")

  const issue = Effect.fnUntraced(function* (name: string) {
    const { privateKey, publicKey } = yield* generateKeys
    const period = yield* validity
    const leaf = yield* Effect.promise(async () =>
      x509.X509CertificateGenerator.create(
        {
          subject: "CN=Bulkhead",
          issuer: own.subject,
          publicKey,
          signingKey: keys.privateKey,
          signingAlgorithm: algorithm,
          ...period,
          extensions: [
            new x509.BasicConstraintsExtension(false, undefined, true),
            usage(x509.KeyUsageFlags.digitalSignature),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
            new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
            await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
            await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey, false, webcrypto)
          ]
        },
        webcrypto
      )
    )
    const key = Redacted.value(yield* pemOfKey(privateKey))
    return createSecureContext({ key, cert: `${leaf.toString("pem")}\n${certificate}` })
  })

  const issued = yield* Cache.make({ capacity: mostNames, timeToLive: Duration.days(1), lookup: issue })
  return { certificate, contextFor: (name) => issued.get(name) }
})
