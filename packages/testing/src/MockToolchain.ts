import { Guest } from "@bulkhead/guest"
import { GuestProgram, type ToolchainFacts } from "@bulkhead/sandbox"
import { Effect } from "effect"
import { type MockProgram, printing } from "./MockProgram.js"

/** What each mock sandbox is allotted. */
export const size: ToolchainFacts["size"] = { vcpus: 2, memoryMB: 512 }

/** What a look at a mock sandbox finds: all four languages, and a supervisor. */
export const facts: ToolchainFacts = {
  size,
  supervisor: GuestProgram.Installed({ user: "root", place: Guest.places.x64 }),
  runtimes: [
    {
      language: "python",
      version: "python 3.11.2",
      file: "main.py",
      command: "python3 -u main.py",
      check: `python3 -I -c 'compile(open("main.py", "rb").read(), "main.py", "exec")'`
    },
    {
      language: "javascript",
      version: "node 22.18.0",
      file: "main.js",
      command: "node main.js",
      check: "node --check main.js || node --input-type=module --check < main.js"
    },
    {
      language: "typescript",
      version: "node 22.18.0",
      isBrought: true,
      file: "main.ts",
      command: "node /tmp/.bulkhead-typescript/run.cjs main.ts",
      check: "node /tmp/.bulkhead-typescript/run.cjs --check main.ts"
    },
    {
      language: "bash",
      version: "bash 5.2.15",
      file: "main.sh",
      command: "bash main.sh",
      check: "bash -n main.sh"
    }
  ]
}

/** Answers the look at a sandbox's toolchain as such a sandbox does. */
export const look: MockProgram = printing(
  [
    "python3 Python 3.11.2",
    "node v22.18.0",
    "bash GNU bash, version 5.2.15(1)-release",
    "machine x86_64",
    `guest at ${Guest.places.x64}`,
    ""
  ].join("\n")
)

/** Answers the look at a sandbox whose image has a manifest. */
export const withManifest =
  (look: MockProgram): MockProgram =>
  (process) =>
    Effect.zipRight(process.stdout("has an image manifest\n"), look(process))
