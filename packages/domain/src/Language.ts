import { Schema } from "effect"

/** The languages that sandboxes usually have. Which can run depends on the sandbox's toolchain; images add others. */
export const Language = Schema.Literal("python", "javascript", "typescript", "bash")
export type Language = typeof Language.Type
