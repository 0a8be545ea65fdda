import { MockSandboxProvider } from "@bulkhead/testing"
import { SandboxProviderConformance } from "@bulkhead/testing/conformance"
import { Effect, Schedule } from "effect"

const { lines } = SandboxProviderConformance
const { printing, sleeper } = MockSandboxProvider

type Program = MockSandboxProvider.MockProgram

const textOf = (content: Uint8Array) => new TextDecoder().decode(content)

const contentOf = ({ files }: MockSandboxProvider.MockProcess, path: string) =>
  Effect.map(files, (all) => textOf(all.findLast((file) => file.path === path)?.content ?? new Uint8Array(0)))

/** Waits until somebody has written that file. */
const there = (process: MockSandboxProvider.MockProcess, path: string) =>
  Effect.repeat(contentOf(process, path), {
    schedule: Schedule.spaced("5 millis"),
    until: (content) => content !== ""
  })

const ready =
  (then: Program): Program =>
  (process) =>
    Effect.zipRight(process.stdout("ready\n"), then(process))

const uidOf = ({ command }: MockSandboxProvider.MockProcess) => (command.user === "root" ? "0\n" : "1000\n")

const programs: Readonly<Record<string, Program>> = {
  [lines.succeeds]: printing(""),
  [lines.prints]: (process) =>
    Effect.zipRight(process.stdout("out\n"), process.stderr("err\n")).pipe(Effect.as({ exitCode: 3 })),
  [lines.crashes]: () => Effect.succeed({ signal: "SIGSEGV" }),
  [lines.echoes]: (process) => printing(process.command.env.VALUE ?? "")(process),
  [lines.counts]: (process) =>
    Effect.as(
      Effect.forEach(
        Array.from({ length: 2000 }, (_, index) => index * 100),
        (from) => process.stdout(Array.from({ length: 100 }, (_, index) => `${from + index + 1}\n`).join("")),
        { discard: true }
      ),
      { exitCode: 0 }
    ),
  [lines.euros]: printing("€".repeat(100_000)),
  [lines.sleeps]: ready(sleeper),
  [lines.who]: (process) => printing(uidOf(process))(process),
  [lines.name]: (process) => printing(process.command.user === "root" ? "root\n" : "user\n")(process),
  [lines.owner]: (process) =>
    Effect.flatMap(contentOf(process, "a/deep/file"), (content) => printing(`1000\n${content}`)(process)),
  [lines.answers]: ready((process) =>
    there(process, "asked").pipe(
      Effect.zipRight(process.write("answer", "done\n")),
      Effect.as({ exitCode: 0 })
    )
  ),
  [lines.waits]: ready((process) =>
    Effect.zipRight(there(process, "/tmp/bulkhead-go"), printing("went\n")(process))
  ),
  [lines.scatters]: ready(sleeper),
  [lines.looks]: printing("gone\n")
}

/** Plays the lines that the suite for providers runs, as a shell would run them. */
export const program: Program = (process) =>
  (programs[process.command.line] ?? printing("command not found\n", 127))(process)
