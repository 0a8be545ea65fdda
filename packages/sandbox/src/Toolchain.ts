import type { Language } from "@bulkhead/domain"

/** How programs of one language are run. */
export interface Runtime {
  readonly language: Language
  /** What was found, for people: `python 3.11.2`. */
  readonly version: string
  /** The program's file in the working directory. */
  readonly file: string
  /** The shell words that run that file. */
  readonly command: string
}
