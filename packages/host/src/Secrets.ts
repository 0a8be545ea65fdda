import * as Crypto from "node:crypto"

/** Whether two secrets are the same, in a time that tells nothing but whether their lengths are. */
export const equal = (given: string, secret: string): boolean => {
  const [one, other] = [Buffer.from(given), Buffer.from(secret)]
  return one.length === other.length && Crypto.timingSafeEqual(one, other)
}

/** A secret that cannot be guessed: 32 random bytes, in hex. */
export const token = (): string => Crypto.randomBytes(32).toString("hex")

/** A sandbox's id, in the shape E2B gives them. */
export const identifier = (): string => `i${Crypto.randomBytes(10).toString("hex").slice(0, 19)}`

/** envd's signature of a file URL: version 1 is a hash of path, operation, user, token and expiry. */
export const signature = (parts: ReadonlyArray<string>): string =>
  `v1_${Crypto.createHash("sha256").update(parts.join(":")).digest("base64").replace(/=+$/, "")}`
