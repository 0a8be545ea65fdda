import type { Analysed } from "./Facts.js"
import { asText, type Value } from "./Value.js"

/** What runs a text that it is given as a program. */
interface Sink {
  readonly calls: ReadonlyArray<string>
  readonly runs: Analysed
  /** The first argument is the text; or the words of a command are in it, or in it and the second. */
  readonly by: "text" | "words"
}

const sinks: Readonly<Record<"python" | "javascript", ReadonlyArray<Sink>>> = {
  python: [
    { calls: ["exec", "eval", "compile", "builtins.exec", "builtins.eval"], runs: "python", by: "text" },
    { calls: ["os.system", "os.popen", "subprocess.getoutput"], runs: "bash", by: "text" },
    { calls: ["subprocess.getstatusoutput", "asyncio.create_subprocess_shell"], runs: "bash", by: "text" },
    { calls: ["subprocess.run", "subprocess.call", "subprocess.Popen"], runs: "bash", by: "words" },
    { calls: ["subprocess.check_call", "subprocess.check_output", "pty.spawn"], runs: "bash", by: "words" }
  ],
  javascript: [
    {
      calls: ["eval", "Function", "vm.runInThisContext", "vm.runInNewContext"],
      runs: "javascript",
      by: "text"
    },
    { calls: ["vm.Script", "setTimeout", "setInterval"], runs: "javascript", by: "text" },
    { calls: ["child_process.exec", "child_process.execSync"], runs: "bash", by: "text" },
    { calls: ["child_process.spawn", "child_process.spawnSync"], runs: "bash", by: "words" },
    { calls: ["child_process.execFile", "child_process.execFileSync"], runs: "bash", by: "words" }
  ]
}

const byCall = (rows: ReadonlyArray<Sink>) =>
  new Map(rows.flatMap((sink) => sink.calls.map((call) => [call, sink] as const)))

const tables = { python: byCall(sinks.python), javascript: byCall(sinks.javascript) }

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

const commandOf = ([first, second]: ReadonlyArray<Value>): string | undefined => {
  if (first?.items !== undefined) return first.items.map((item) => quoted(asText(item))).join(" ")
  if (first?.text === undefined) return undefined
  if (second?.items === undefined) return first.text
  return [first, ...second.items].map((item) => quoted(asText(item))).join(" ")
}

/** A program within a program. */
export interface Inner {
  readonly code: string
  readonly language: Analysed
}

/** The program that a call runs, if it is known. */
export const innerOf = (
  language: "python" | "javascript",
  name: string,
  args: ReadonlyArray<Value>
): Inner | undefined => {
  const sink = tables[language].get(name)
  if (sink === undefined) return undefined
  const code = sink.by === "words" ? commandOf(args) : args[name === "Function" ? args.length - 1 : 0]?.text
  return code === undefined ? undefined : { code, language: sink.runs }
}
