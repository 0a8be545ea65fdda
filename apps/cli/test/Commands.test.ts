import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { UserId } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "../../server/test/Caller.js"
import { forTerminals } from "../../server/test/HostileTexts.js"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as Cli from "./Cli.js"
import * as Programs from "./Programs.js"

const lines = (output: Buffer) => output.toString().trimEnd().split("\n")

/** What a command prints when all is well. */
const printed = (...words: ReadonlyArray<string>) =>
  Effect.map(Cli.runAtServer(words), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 0, stderr)
    return stdout
  })

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })(
  "the operator's commands",
  (it) => {
    const slow = { timeout: 120_000 }

    it.effect(
      "find a run, follow it, and kill it with a reason",
      () =>
        Effect.gen(function* () {
          yield* Effect.forkScoped(Caller.post({ code: Programs.endless, userId: UserId.make("ann") }))
          const { executionId } = yield* Caller.inState("ann", "running")
          const [, row = ""] = lines(yield* printed("ps"))
          assert.match(row, new RegExp(`^${executionId}  ann +running +python `))
          const [one = ""] = lines(yield* printed("ps", "--user", "ann", "--json"))
          assert.include(JSON.parse(one), { executionId, userId: "ann", state: "running" })

          const events = yield* Cli.start(["logs", "-f", executionId], yield* Cli.atServer())
          const output = yield* Cli.start(["logs", "--output", executionId], yield* Cli.atServer())
          yield* events.printed("program_started")
          yield* output.printed("begun")
          yield* printed("kill", executionId, "--reason", "costs too much")
          assert.include((yield* events.ended).stdout.toString(), "costs too much")
          assert.strictEqual((yield* output.ended).stdout.toString(), "begun\n")
          assert.deepStrictEqual((yield* printed("ps")).toString().trimEnd().split("\n").length, 1)
          assert.include((yield* printed("ps", "-a", "--verdict", "Killed")).toString(), executionId)

          const again = yield* Cli.runAtServer(["kill", executionId])
          assert.strictEqual(again.code, 125)
          assert.match(again.stderr, /has (already )?ended/)
          const said = (id: string, commands: ReadonlyArray<string>) =>
            Effect.forEach(
              commands,
              (words) => Effect.map(Cli.runAtServer([...words.split(" "), id]), ({ stderr }) => stderr),
              { concurrency: 3 }
            )
          for (const stderr of yield* said("", ["logs", "logs --output", "kill"]))
            assert.include(stderr, "ID: expected the id of an execution")
          for (const stderr of yield* said("exec_\u001b[2J", ["logs", "logs --output"])) {
            assert.match(stderr, /^bulkhead: No execution [^\n;]*\n$/)
            assert.notInclude(stderr, "\u001b")
          }
        }).pipe(Effect.scoped),
      slow
    )

    it.effect(
      "name the field that the contract does not take",
      () =>
        Effect.gen(function* () {
          const refusal = (...words: ReadonlyArray<string>) =>
            Effect.map(Cli.runAtServer(words), ({ code, stderr }) => {
              assert.strictEqual(code, 125)
              assert.notInclude(stderr, "\u001b")
              return stderr
            })
          const hostile = "a\u001b[2Jb"
          const program = fileURLToPath(import.meta.url)
          const said = yield* Effect.all(
            {
              reason: refusal("kill", "exec_1", "--reason", hostile),
              user: refusal("run", program, "--user", hostile),
              file: refusal("run", program, "--file", `${hostile}=${program}`)
            },
            { concurrency: 2 }
          )
          assert.match(said.reason, /^bulkhead: reason: expected 1 to 200 characters/)
          assert.match(said.user, /^bulkhead: userId: expected 1 to 128 letters/)
          assert.match(said.file, /^bulkhead: files\.0\.path: /)
        }),
      slow
    )

    it.effect(
      "read and change limits, and say what of a change is wrong",
      () =>
        Effect.gen(function* () {
          yield* printed("limits", "set", "maxTimeout=600", "maxQueued=7")
          const limits = JSON.parse((yield* printed("limits", "--json")).toString())
          assert.deepInclude(limits, { maxTimeout: 600, maxQueued: 7 })
          assert.match((yield* printed("limits")).toString(), /^maxTimeout +600 +most seconds of wall time/m)
          const wrong = (change: string) =>
            Effect.map(Cli.runAtServer(["limits", "set", change]), ({ stderr }) => stderr)
          assert.include(yield* wrong("maxTimeout=-1"), "maxTimeout: expected a positive number of seconds")
          assert.include(yield* wrong("defaultTimeout=601"), "defaultTimeout: expected at most")
        }),
      slow
    )

    it.effect(
      "count, verify, and list images",
      () =>
        Effect.gen(function* () {
          yield* Caller.execute({ code: "print(1)", userId: UserId.make("bob") })
          assert.match((yield* printed("usage", "--user", "bob")).toString(), /^bob +1 +/m)
          const [usage = ""] = lines(yield* printed("usage", "--user", "bob", "--json"))
          assert.include(JSON.parse(usage), { userId: "bob", executions: 1 })
          for (const moment of ["2026-02-30", "last 1", "2026-01-31T12:00:00"]) {
            const { stderr } = yield* Cli.runAtServer(["usage", "--from", moment])
            assert.match(stderr, /^bulkhead: --from: expected a time, like/)
          }
          assert.match((yield* printed("verify")).toString(), /^intact: \d+ events\n/)
          assert.match((yield* printed("image", "list")).toString(), /^\(none\) +python \(python 3/m)
          assert.match((yield* printed("top")).toString(), /^0 active \(0 %\), 0 queued/)
        }),
      slow
    )

    it.effect(
      "show on a terminal how busy the server is, and leave it as it was",
      () =>
        Effect.gen(function* () {
          const options = yield* Cli.atServer({ onTerminal: true })
          const top = yield* Cli.start(["top", "--interval", "1"], options)
          yield* top.printed("0 active")
          yield* Effect.forkScoped(Caller.post({ code: Programs.endless, userId: UserId.make("seen") }))
          yield* top.printed("seen")
          yield* top.type("\u0003")
          const { code, stdout } = yield* top.ended
          assert.strictEqual(code, 130)
          assert.isTrue(stdout.toString().endsWith("\u001b[?25h\u001b[?1049l"))
        }).pipe(Effect.scoped),
      slow
    )

    it.effect(
      "save what a program leaves, whatever it calls its files",
      () =>
        Effect.gen(function* () {
          const directory = yield* ServerProcess.temporaryDirectory
          const names = ["a.txt", "b/c.txt", ...forTerminals.map((value) => `${value}.txt`)]
          const run = (...words: ReadonlyArray<string>) =>
            Cli.runAtServer(["run", "-", "--out", "out", ...words], {
              cwd: directory,
              input: Programs.leaving(names)
            })
          const { code, stderr } = yield* run()
          assert.strictEqual(code, 0)
          assert.notMatch(stderr.replaceAll("\n", ""), /[\p{C}\p{Zl}\p{Zp}]/u)
          assert.deepStrictEqual(readdirSync(directory), ["out"])
          const saved = readdirSync(join(directory, "out"), { recursive: true }).map(String)
          assert.includeMembers(saved, ["a.txt", "b/c.txt"])
          for (const name of saved) assert.notMatch(name, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
          const again = yield* run()
          assert.strictEqual(again.code, 125)
          assert.include(
            again.stderr,
            "a.txt: not saved, there is a file of this name; --overwrite replaces it"
          )
          assert.strictEqual((yield* run("--overwrite")).code, 0)
        }).pipe(Effect.scoped),
      slow
    )

    it.effect(
      "complete in bash, tell of themselves, and name an option that there is not",
      () =>
        Effect.gen(function* () {
          const script = (yield* printed("--completions", "bash")).toString()
          const complete =
            'COMP_WORDS=(bulkhead run --time); COMP_CWORD=2; _bulkhead_bash_completions bulkhead; printf "%s" $COMPREPLY'
          assert.strictEqual(
            execFileSync("bash", ["-c", `${script}\n${complete}`], { encoding: "utf8" }).trim(),
            "--timeout"
          )
          for (const shell of ["fish"])
            assert.include((yield* printed("--completions", shell)).toString(), "bulkhead")
          const help = (yield* printed("run", "--help")).toString()
          assert.include(help, "--token-file FILE")
          assert.notInclude(help, "\u001b")
          const misspelt = yield* Cli.runAtServer(["run", "a.py", "--jsno"])
          assert.deepInclude(misspelt, { code: 125 })
          assert.include(misspelt.stderr, "there is no option --jsno")
        }),
      slow
    )
  }
)
