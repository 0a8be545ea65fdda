import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { processesMarked, run, sandbox } from "./Fixtures.js"

const root = process.getuid?.() === 0

/** Tells all that may be different for a program that was forked instead of started. */
const tell = String.raw`
our $runs;
my $kept = 'kept';
sub kept { $kept }
opendir my $entries, '/proc/self/fd';
my @open = grep { /^\d+$/ && $_ != fileno $entries } readdir $entries;
pipe my $reader, my $writer;
if (!fork) { syswrite $writer, 'from a child'; exit 0 }
close $writer;
wait;
sysread $reader, my $heard, 100;
my $ended = !sysread $reader, my $more, 1;
print join("\n", ++$runs, kept(), "@open", $heard, $ended, "$< $>", $0, -s '/proc/self/cmdline' // '', map { "$_=$ENV{$_}" } sort grep { !/^(_|SHLVL|PWD|OLDPWD)$/ } keys %ENV), "\n";
print STDERR "and here\n";
`

const programs = [
  { place: "/opt/test/tell", text: tell },
  { place: "/opt/test/fail", text: 'die "for a reason\\n"' },
  { place: "/opt/test/leave", text: "print 'last words'; exit 3" },
  { place: "/opt/test/input", text: "print <STDIN> // 'nothing'" },
  { place: "/opt/test/wait", text: "sleep 600" },
  { place: "/opt/test/spy", text: "open my $memory, '<', '/proc/1/mem' or print $!" }
]

layer(EmbeddedHost.layer({ programs }), { excludeTestServices: true })("The host's own programs", (it) => {
  it.scoped("cannot tell how they were started", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      for (const user of root ? ["root", "user"] : ["user"]) {
        const options = { user, cwd: "/tmp", envs: { GIVEN: "a=b\nc" } }
        // With blanks before it a line is the shell's, whoever asks.
        const forked = yield* run(here, "exec /opt/test/tell", options)
        const started = yield* run(here, "  exec /opt/test/tell", options)
        assert.deepInclude(forked, { exitCode: 0, stderr: "and here\n" })
        assert.include(forked.stdout, "\nGIVEN=a=b\nc\n")
        assert.strictEqual(forked.stdout, started.stdout)
      }
    })
  )

  it.scoped("begin anew each time", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* sandbox(), yield* sandbox()]
      yield* Effect.promise(() => other.commands.run("exec sleep 600", { background: true, stdin: true }))
      for (const here of [one, one, other]) {
        const told = yield* run(here, "exec /opt/test/tell", { user: root ? "root" : "user" })
        assert.match(told.stdout, /^1\nkept\n0 1 2\nfrom a child\n1\n/)
        assert.strictEqual(told.stderr, "and here\n")
      }
    })
  )

  it.scoped("end as programs do", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const user = root ? "root" : "user"
      assert.deepInclude(yield* run(here, "exec /opt/test/fail", { user }), {
        stdout: "",
        stderr: "for a reason\n",
        exitCode: 255
      })
      assert.deepInclude(yield* run(here, "exec /opt/test/leave", { user }), {
        stdout: "last words",
        exitCode: 3
      })
      assert.deepInclude(yield* run(here, "exec /opt/test/input", { user }), {
        stdout: "nothing",
        exitCode: 0
      })
      const elsewhere = yield* Effect.flip(
        Effect.tryPromise(() => here.commands.run("exec /opt/test/leave", { user, cwd: "/nowhere" }))
      )
      assert.include(String(elsewhere.error), "cwd '/nowhere' does not exist")
    })
  )

  it.scoped("take input and signals", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const user = root ? "root" : "user"
      const start = (command: string) =>
        Effect.promise(() => here.commands.run(command, { user, background: true, stdin: true }))
      const reader = yield* start("exec /opt/test/input")
      yield* Effect.promise(() => here.commands.sendStdin(reader.pid, "a line\n"))
      assert.strictEqual((yield* Effect.promise(() => reader.wait())).stdout, "a line\n")
      const sleeper = yield* start("exec /opt/test/wait")
      // Neither a shell nor another Perl.
      if (root) assert.deepStrictEqual(processesMarked("/opt/test/wait"), ["/opt/test/wait"])
      assert.isTrue(yield* Effect.promise(() => sleeper.kill()))
      const ended = yield* Effect.flip(Effect.tryPromise(() => sleeper.wait()))
      assert.include(String(ended.error), "signal: killed")
    })
  )

  it.scoped("cannot read the first process's memory", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { stdout } = yield* run(here, "exec /opt/test/spy", { user: root ? "root" : "user" })
      assert.match(stdout, /^Permission denied/)
    })
  )
})
