import type { Rule } from "./Rule.js"
import { credentials } from "./Rules/Credentials.js"
import { escapes } from "./Rules/Escapes.js"
import { forkBombs } from "./Rules/ForkBombs.js"
import { metadata } from "./Rules/Metadata.js"
import { miners } from "./Rules/Miners.js"
import { obfuscation } from "./Rules/Obfuscation.js"
import { persistence } from "./Rules/Persistence.js"
import { ransom } from "./Rules/Ransom.js"
import { reverseShells } from "./Rules/ReverseShells.js"

/** The rules that come with this package. */
export const ownRules: ReadonlyArray<Rule> = [
  ...reverseShells,
  ...forkBombs,
  ...miners,
  ...metadata,
  ...credentials,
  ...persistence,
  ...obfuscation,
  ...escapes,
  ...ransom
]
