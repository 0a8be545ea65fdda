import { defaultOutputDir, type ExecutionRequest } from "@bulkhead/domain"
import type { LimitValues } from "../Limits.js"
import type { SandboxFile } from "../Sandboxes/SandboxProvider.js"
import type { Runtime } from "../Sandboxes/Toolchain.js"
import * as GuestProgram from "./GuestProgram.js"

/** Linux takes at most 128 KiB in one environment variable; leave room for its name. */
const inlineBytes = 100 * 1024

/** A program laid out for a sandbox: the files to write first, and the command that runs it. */
export interface Program {
  readonly files: ReadonlyArray<SandboxFile>
  readonly line: string
  readonly user: "root" | "user"
  readonly env: Readonly<Record<string, string>>
  /** Begins every line of the supervisor in the sandbox. Absent: there is none. */
  readonly nonce?: string
}

const encoder = new TextEncoder()

/** In the program's home until it starts: what it reads as its standard input. */
export const inputFile = ".bulkhead-stdin"

/** A file holds up nobody when it is not read, and takes any bytes. Without input there is nothing to write. */
const inputOf = ({ stdin, stdinEncoding }: ExecutionRequest): ReadonlyArray<SandboxFile> =>
  stdin === undefined ? [] : [{ path: inputFile, content: new Uint8Array(Buffer.from(stdin, stdinEncoding)) }]

/** Small code travels with the command and saves a round trip; larger code, or code with NUL, is written as a file. */
const travels = (code: string) => Buffer.byteLength(code) <= inlineBytes && !code.includes("\0")

const megabyte = 1_048_576

/** The supervisor's limits, in the order it reads them. */
const limitsLine = (limits: LimitValues, timeout: number) =>
  [
    Math.round(timeout * 1000),
    limits.killGracePeriod * 1000,
    limits.maxCpuTime * 1000,
    limits.maxMemoryMB * megabyte,
    limits.maxProcesses,
    limits.maxDiskMB * megabyte,
    Math.ceil(limits.maxOutputBytes / 2),
    limits.hardOutputBytes,
    limits.maxCpuPercent
  ].join(" ")

const inOneLine = (text: string) => text.replaceAll("%", "%25").replaceAll("\n", "%0A")

/** One variable a line, since the supervisor must not have the program's variables in its own environment. */
const encodeVariables = (env: Readonly<Record<string, string>>) =>
  Object.entries(env)
    .map(([name, value]) => `${name}=${inOneLine(value)}`)
    .join("\n")

/** Each ends its line, so that an empty one is told apart from none. */
const encodeArguments = (args: ReadonlyArray<string>) => args.map((arg) => `${inOneLine(arg)}\n`).join("")

const supervised = (
  request: ExecutionRequest,
  runtime: Runtime,
  limits: LimitValues,
  timeout: number,
  nonce: string,
  supervisor: { readonly line: string; readonly env: Readonly<Record<string, string>> }
) => ({
  line: supervisor.line,
  nonce,
  env: {
    ...supervisor.env,
    BULKHEAD_NONCE: nonce,
    BULKHEAD_LIMITS: limitsLine(limits, timeout),
    BULKHEAD_COMMAND: runtime.command,
    BULKHEAD_FILE: runtime.file,
    BULKHEAD_ENV: encodeVariables(request.env),
    BULKHEAD_OUTPUT: request.outputDir ?? defaultOutputDir,
    ...(request.args.length === 0 ? {} : { BULKHEAD_ARGS: encodeArguments(request.args) }),
    ...(request.stdin === undefined ? {} : { BULKHEAD_INPUT: inputFile }),
    ...(runtime.check === undefined ? {} : { BULKHEAD_CHECK: runtime.check })
  }
})

/** What a program finds in its environment unless its request says otherwise. */
const usualVariables = {
  // Without it Java, Perl and the shell's tools take text for ASCII.
  LANG: "C.UTF-8",
  // Also of a Python that a shell starts: what it printed before it was ended would be lost.
  PYTHONUNBUFFERED: "1"
}

/** The program as its language's own tools take it: as it came from an editor, it may begin or end lines otherwise. */
const readable = (code: string, language: string) => {
  const text = code.startsWith("\uFEFF") ? code.slice(1) : code
  // A shell takes a carriage return for a part of the last word. Where some lines end without, it may be meant.
  const isWindows = language === "bash" && text.includes("\r\n") && !/(^|[^\r])\n/.test(text)
  return isWindows ? text.replaceAll("\r\n", "\n") : text
}

/** What the shell itself can hold a program to: core, CPU seconds, KiB of a file and of data, processes. */
const shellLimits = (limits: LimitValues) =>
  [
    "ulimit -c 0",
    `ulimit -t ${Math.ceil(limits.maxCpuTime)}`,
    `ulimit -f ${limits.maxDiskMB * 1024}`,
    `ulimit -d ${limits.maxMemoryMB * 1024}`,
    `ulimit -u ${limits.maxProcesses}`
  ].join("; ")

/** As the shell reads it: nothing in it has a meaning. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

const unsupervised = (request: ExecutionRequest, runtime: Runtime, limits: LimitValues, inline: boolean) => {
  const input = request.stdin === undefined ? "" : `exec < ${inputFile} && rm -f ${inputFile}; `
  const code = inline ? `printf %s "$BULKHEAD_CODE" > ${runtime.file} && unset BULKHEAD_CODE && ` : ""
  const command = [runtime.command, ...request.args.map(quoted)].join(" ")
  return { line: `${shellLimits(limits)}; ${input}${code}exec ${command}`, env: request.env }
}

/** Lays a request and its files out for a sandbox, under the supervisor where it can run. `timeout` in seconds. */
export const layOut = (
  request: ExecutionRequest,
  given: ReadonlyArray<SandboxFile>,
  runtime: Runtime,
  supervisor: GuestProgram.GuestProgram,
  limits: LimitValues,
  timeout: number,
  nonce: string
): Program => {
  const code = readable(request.code, runtime.language)
  const asked = { ...request, env: { ...usualVariables, ...request.env } }
  const inline = travels(code)
  const files = [...inputOf(request), ...given]
  const run =
    supervisor._tag === "Absent"
      ? unsupervised(asked, runtime, limits, inline)
      : supervised(asked, runtime, limits, timeout, nonce, GuestProgram.start(supervisor))
  return {
    ...run,
    user: supervisor._tag === "Absent" ? "user" : supervisor.user,
    files: inline ? files : [...files, { path: runtime.file, content: encoder.encode(code) }],
    env: inline ? { ...run.env, BULKHEAD_CODE: code } : run.env
  }
}
