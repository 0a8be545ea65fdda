import { Schema } from "effect"

/** The languages a program may be written in. Which of them can run depends on the sandbox's toolchain. */
export const Language = Schema.Literal("python", "javascript", "typescript", "bash")
export type Language = typeof Language.Type
