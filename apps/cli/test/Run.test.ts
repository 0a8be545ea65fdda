import { UserId } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "../../server/test/Caller.js"
import { hostileTexts } from "../../server/test/HostileTexts.js"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as Cli from "./Cli.js"
import * as Programs from "./Programs.js"

const settings = { SANDBOX_MAX_SANDBOXES_PER_USER: "1", SANDBOX_KILL_GRACE_PERIOD: "20" }

const run = (code: string, ...words: ReadonlyArray<string>) =>
  Cli.runAtServer(["run", "-", ...words], { input: code })

const startRun = (code: string, words: ReadonlyArray<string>, options: Cli.Options = {}) =>
  Effect.gen(function* () {
    const cli = yield* Cli.start(["run", "-", ...words], yield* Cli.atServer(options))
    yield* cli.type(options.onTerminal ? `${code}\n\u0004` : code)
    if (!options.onTerminal) yield* cli.endInput
    return cli
  })

/** What the command itself makes a terminal do: erase its one line. */
const withoutStatusLine = (shown: string) => shown.replaceAll("\r\u001b[K", "")

layer(ServerProcess.layer(settings), { excludeTestServices: true, timeout: 60_000 })("bulkhead run", (it) => {
  const slow = { timeout: 120_000 }

  it.effect(
    "gives every byte of a long output to a pipe, and ends with the program's exit code",
    () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(
          `${Programs.long}\nprint('last', file=sys.stderr)\nsys.exit(7)`
        )
        assert.strictEqual(stdout.toString(), Programs.longOutput)
        assert.strictEqual(stderr, "last\n")
        assert.strictEqual(code, 7)
      }),
    slow
  )

  it.effect(
    "passes on arguments, variables, files and stdin",
    () =>
      Effect.gen(function* () {
        const directory = yield* ServerProcess.temporaryDirectory
        const write = (name: string, text: string) =>
          Effect.promise(() =>
            import("node:fs/promises").then((fs) => fs.writeFile(`${directory}/${name}`, text))
          )
        yield* write(
          "a.py",
          "import os, sys\nprint(sys.argv[1:], os.environ['A'], os.environ['B'], open('in.csv').read(), open('x/y').read(), sys.stdin.read())"
        )
        yield* write("in.csv", "1,2")
        const texts = ["--arg", "-x", "--arg=--y", "--arg", "", "--arg", " z\n", "--arg", "--timeout"]
        const options = [...texts, "--env", "A=1=2 ", "--env", "B", "--file", "in.csv"]
        const words = ["run", "a.py", ...options, "--file", "x/y=in.csv", "--stdin", "--", "--json", "--"]
        const { code, stdout } = yield* Cli.runAtServer(words, {
          cwd: directory,
          env: { B: "of the environment" },
          input: "typed"
        })
        assert.strictEqual(
          stdout.toString(),
          "['-x', '--y', '', ' z\\n', '--timeout', '--json', '--'] 1=2  of the environment 1,2 1,2 typed\n"
        )
        assert.strictEqual(code, 0)
      }).pipe(Effect.scoped),
    slow
  )

  it.effect(
    "ends with a code that says how the program ended",
    () =>
      Effect.gen(function* () {
        const bySignal = yield* run("import os\nos.kill(os.getpid(), 11)")
        assert.deepInclude(bySignal, { code: 139 })
        const tooLong = yield* run("import time\ntime.sleep(60)", "--timeout", "1")
        assert.strictEqual(tooLong.code, 124)
        assert.match(tooLong.stderr, /^bulkhead: TimeLimitExceeded: Execution timeout/)
        const refused = yield* run("x", "--language", "cobol")
        assert.strictEqual(refused.code, 125)
        assert.match(refused.stderr, /^bulkhead: language: /)
      }),
    slow
  )

  it.effect(
    "prints the result as JSON, also of a request that is refused",
    () =>
      Effect.gen(function* () {
        const { code, stdout } = yield* run("print('\\x1b[2J')", "--json")
        assert.strictEqual(code, 0)
        assert.notInclude(stdout.toString(), "\u001b")
        assert.deepInclude(JSON.parse(stdout.toString()), { verdict: "Completed", stdout: "\u001b[2J\n" })
        const refused = yield* run("x", "--json", "--image", "nowhere")
        assert.strictEqual(refused.code, 125)
        assert.deepInclude(JSON.parse(refused.stdout.toString()), { verdict: "Rejected" })
      }),
    slow
  )

  it.effect(
    "kills the program whose output nobody reads any more",
    () =>
      Effect.gen(function* () {
        const cli = yield* startRun("import time\nwhile True: print('more', flush=True); time.sleep(0.05)", [
          "--user",
          "pipe"
        ])
        yield* cli.printed("more")
        yield* cli.shutStdout
        assert.strictEqual((yield* cli.ended).code, 141)
        assert.include(yield* Caller.inState("pipe", "ended"), { verdict: "Killed" })
      }).pipe(Effect.scoped),
    slow
  )

  it.effect(
    "shows on a terminal what would act there, unless that is asked for",
    () =>
      Effect.gen(function* () {
        const code = Programs.saying(hostileTexts)
        const directory = yield* ServerProcess.temporaryDirectory
        yield* Effect.promise(() =>
          import("node:fs/promises").then((fs) => fs.writeFile(`${directory}/a.py`, code))
        )
        const options = { cwd: directory, onTerminal: true }
        const { stdout } = yield* Cli.runAtServer(["run", "a.py"], options)
        const shown = withoutStatusLine(stdout.toString()).replaceAll(/\r*\n|\t/g, "")
        assert.notMatch(shown, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
        assert.include(shown, "\\u{1b}]52;c;cm0gLXJmIC8=\\u{7}")
        const raw = yield* Cli.runAtServer(["run", "a.py", "--raw"], options)
        assert.include(raw.stdout.toString(), "\u001b]52;c;cm0gLXJmIC8=\u0007")
      }).pipe(Effect.scoped),
    slow
  )

  it.effect(
    "kills the program at Ctrl-C, says so, and still shows what it wrote",
    () =>
      Effect.gen(function* () {
        const cli = yield* startRun(
          "import signal, sys, time\ndef end(*_):\n  print('last words', flush=True)\n  sys.exit(0)\nsignal.signal(signal.SIGTERM, end)\nprint('be' + 'gun', flush=True)\nwhile True: time.sleep(0.1)",
          ["--user", "ctrl-c"],
          { onTerminal: true }
        )
        yield* cli.printed("begun")
        yield* cli.type("\u0003")
        const { code, stdout } = yield* cli.ended
        assert.strictEqual(code, 130)
        assert.match(stdout.toString(), /it is being killed.*last words.*Killed: /s)
        const { executionId, verdict } = yield* Caller.inState("ctrl-c", "ended")
        assert.strictEqual(verdict, "Killed")
        const events = yield* Caller.logs(executionId)
        assert.include(JSON.stringify(events), "Ctrl-C at the command line")
      }).pipe(Effect.scoped),
    slow
  )

  it.effect(
    "leaves at the second Ctrl-C, while the program has its grace",
    () =>
      Effect.gen(function* () {
        const cli = yield* startRun(
          Programs.stubborn.replace("'begun'", "'be' + 'gun'"),
          ["--user", "stubborn"],
          {
            onTerminal: true
          }
        )
        yield* cli.printed("begun")
        yield* cli.type("\u0003")
        yield* cli.printed("it is being killed")
        // Within a second of the first it would count as the same.
        yield* Effect.sleep("1200 millis")
        yield* cli.type("\u0003")
        assert.strictEqual((yield* cli.ended).code, 130)
        assert.strictEqual((yield* Caller.inState("stubborn", "running")).state, "running")
      }).pipe(Effect.scoped),
    slow
  )

  it.effect(
    "shows its place in the queue",
    () =>
      Effect.gen(function* () {
        yield* Effect.forkScoped(Caller.post({ code: Programs.endless, userId: UserId.make("waiting") }))
        const { executionId } = yield* Caller.inState("waiting", "running")
        const cli = yield* startRun("print('its ' + 'turn')", ["--user", "waiting"], { onTerminal: true })
        yield* cli.printed("queued, 0 before it at most")
        yield* Caller.kill(executionId)
        yield* cli.printed("its turn")
        assert.strictEqual((yield* cli.ended).code, 0)
      }).pipe(Effect.scoped),
    slow
  )
})
