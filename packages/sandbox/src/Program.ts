import type { ExecutionRequest } from "@bulkhead/domain"
import { Either, Encoding } from "effect"
import type { SandboxFile } from "./SandboxProvider.js"
import type { Runtime } from "./Toolchain.js"

/** Linux takes at most 128 KiB in one environment variable; leave room for its name. */
const inlineBytes = 100 * 1024

/** A program laid out for a sandbox: the files to write first, and the command that runs it. */
export interface Program {
  readonly files: ReadonlyArray<SandboxFile>
  readonly line: string
  readonly env: Readonly<Record<string, string>>
}

const encoder = new TextEncoder()

const inputFile = (file: ExecutionRequest["files"][number]): SandboxFile => ({
  path: file.path,
  content:
    file.encoding === "utf8"
      ? encoder.encode(file.content)
      : Either.getOrThrow(Encoding.decodeBase64(file.content))
})

/** Small code travels with the command and saves a round trip; larger code, or code with NUL, is written as a file. */
export const layOut = (request: ExecutionRequest, runtime: Runtime): Program => {
  const code = encoder.encode(request.code)
  const files = request.files.map(inputFile)
  if (code.length <= inlineBytes && !code.includes(0)) {
    return {
      files,
      line: `printf %s "$BULKHEAD_CODE" > ${runtime.file} && unset BULKHEAD_CODE && exec ${runtime.command}`,
      env: { ...request.env, BULKHEAD_CODE: request.code }
    }
  }
  return {
    files: [...files, { path: runtime.file, content: code }],
    line: `exec ${runtime.command}`,
    env: request.env
  }
}
