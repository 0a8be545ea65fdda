import { Effect, Stream } from "effect"
import { hello, type MockProgram } from "./MockProgram.js"
import { failure, type MockBehaviour } from "./MockSandboxProvider.js"

const encoder = new TextEncoder()

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")

/** What the lister in a sandbox says of files that it holds open. */
const listing = (names: ReadonlyArray<string>, sizes: ReadonlyArray<number>) => {
  const lines = names.map((name, index) => {
    const path = encoder.encode(name)
    return `file ${index + 3} ${sizes[index]} 8 ${path.length} ${hex(path)}\n`
  })
  return `pid 7\n${lines.join("")}end 0 1\n`
}

/** Sandboxes whose programs leave these files in their output directory: texts by their names. */
export const leaving = (
  files: Readonly<Record<string, string>>,
  program: MockProgram = hello
): Pick<MockBehaviour, "program" | "read"> => {
  const contents = Object.values(files).map((text) => encoder.encode(text))
  const sizes = contents.map((content) => content.length)
  const listed: MockProgram = (process) =>
    Effect.zipRight(process.stdout(listing(Object.keys(files), sizes)), Effect.never)
  const left: MockProgram = (process) =>
    Effect.map(program(process), (exit) => ({ ...exit, report: { outputs: true, ...exit.report } }))
  return {
    program: (process) => ("BULKHEAD_LIST" in process.command.env ? listed : left)(process),
    read: (path) => {
      const content = contents[Number(/^\/proc\/7\/fd\/(\d+)$/.exec(path)?.[1]) - 3]
      return content === undefined
        ? Stream.fail(failure("INTERNAL_ERROR", "files", false))
        : Stream.make(content)
    }
  }
}
