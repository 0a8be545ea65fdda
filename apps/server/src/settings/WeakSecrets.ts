import { Redacted } from "effect"
import type { ServerSettings } from "./ServerConfig.js"

/** A secret of 16 random characters cannot be guessed over a network. */
const fewest = 16

const isWeak = (secret: Redacted.Redacted) => Redacted.value(secret).length < fewest

const advice = `fewer than ${fewest} characters can be guessed; take those of \`openssl rand -hex 24\``

/** What to say of secrets that are too short, without any of them. */
export const warnings = ({
  adminToken,
  callerKeys
}: Pick<ServerSettings, "adminToken" | "callerKeys">): ReadonlyArray<string> => [
  ...(isWeak(adminToken) ? [`ADMIN_API_TOKEN: ${advice}`] : []),
  ...callerKeys
    .filter(({ key }) => isWeak(key))
    .map(({ userId }) => `SANDBOX_API_KEYS: the key of '${userId}': ${advice}`)
]
