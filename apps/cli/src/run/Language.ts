import { extname } from "node:path"
import { Effect } from "effect"
import { Failure } from "../Failure.js"

const languages: Readonly<Record<string, string>> = {
  ".py": "python",
  ".js": "javascript",
  ".mjs": "javascript",
  ".cjs": "javascript",
  ".ts": "typescript",
  ".mts": "typescript",
  ".sh": "bash",
  ".bash": "bash",
  ".go": "go",
  ".java": "java",
  ".r": "r",
  ".rb": "ruby"
}

/** What a file is written in, by the end of its name. */
export const ofFile = (path: string) => {
  const language = languages[extname(path).toLowerCase()]
  return language === undefined
    ? new Failure({ message: "--language: is needed, since the file's name does not say it" })
    : Effect.succeed(language)
}
