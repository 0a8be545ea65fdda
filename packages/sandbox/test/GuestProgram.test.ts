import { execFile, spawn } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Guest, GuestShell } from "@bulkhead/guest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as GuestProgram from "../src/Supervision/GuestProgram.js"
import { GuestVoice } from "../src/Supervision/GuestReport.js"

const architecture = Guest.architectureOf(process.arch) ?? "x64"

interface Ran {
  readonly stdout: string
  readonly stderr: string
}

const runShell = (line: string, env: Readonly<Record<string, string>>, words = ["/bin/sh", "-c"]) =>
  Effect.async<Ran>((resume) => {
    const [command = "", ...before] = words
    execFile(command, [...before, line], { env }, (_, stdout, stderr) =>
      resume(Effect.succeed({ stdout, stderr }))
    )
  })

const settings = {
  BULKHEAD_NONCE: "nonce",
  BULKHEAD_COMMAND: "/bin/sh main.sh",
  BULKHEAD_FILE: "main.sh",
  BULKHEAD_LIMITS: "5000 100 5000 100000000 64 1000000 1000 100000 80",
  BULKHEAD_ENV: "GIVEN=one%0Atwo%25",
  BULKHEAD_OUTPUT: "output"
}

/** Root over a process tree of its own, in a system without accounts: what is signalled there reaches nobody else. */
const system = [
  ...["bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"],
  ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"],
  ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--tmpfs", "/tmp"]
]
const asRoot = [...system, "--uid", "0"]
/** A user with a home, and no root. */
const asUser = [
  ...system,
  ...["--uid", "1000", "--gid", "1000", "--tmpfs", "/home", "--dir", "/home/user"],
  ...["--setenv", "HOME", "/home/user", "--setenv", "USER", "user", "--setenv", "PATH", "/usr/bin:/bin"]
]

const sent = Effect.map(Guest.packed(architecture), (packed) =>
  GuestProgram.GuestProgram.Sent({ user: "user", directory: "/tmp", packed })
)

const readIfThere = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const understand = (stderr: string) => {
  const voice = new GuestVoice("nonce")
  const all = [...voice.hear(stderr), ...voice.end()]
  return {
    text: all.map((heard) => (heard._tag === "Text" ? heard.text : "")).join(""),
    started: all.flatMap((heard) => (heard._tag === "Started" ? [heard.cgroup] : [])),
    ways: all.flatMap((heard) => (heard._tag === "Started" ? heard.ways : [])),
    reports: all.flatMap((heard) => (heard._tag === "Reported" ? [heard.report] : []))
  }
}

const supervise = Effect.fn(function* (code: string, given: Readonly<Record<string, string>> = {}) {
  const { env, line } = GuestProgram.start(yield* sent)
  const ran = yield* runShell(line, { ...settings, ...env, ...given, BULKHEAD_CODE: code }, [
    ...asUser,
    "/bin/sh",
    "-c"
  ])
  return { stdout: ran.stdout, ...understand(ran.stderr) }
})

describe("The guest program", () => {
  it.live("is found where it can be executed, and leaves nothing of the trial", () =>
    Effect.gen(function* () {
      const home = mkdtempSync(join(tmpdir(), "guest-home-"))
      const { env, line } = GuestProgram.trial(yield* Guest.packed(architecture))
      const { stdout } = yield* runShell(line, { ...env, HOME: home, PATH: "/usr/bin:/bin" })
      assert.strictEqual(stdout, "guest in /tmp\nguest in $HOME\n")
      assert.deepStrictEqual(readdirSync(home), [])
      assert.deepStrictEqual(
        readdirSync("/tmp").filter((name) => name.startsWith(".bulkhead-")),
        []
      )
      rmSync(home, { recursive: true })
    })
  )

  it.live("tells its machine", () =>
    Effect.gen(function* () {
      const { stdout } = yield* runShell(GuestProgram.probe, { PATH: "/usr/bin:/bin" })
      assert.deepStrictEqual(
        GuestShell.architectureIn(stdout),
        yield* Effect.option(Effect.succeed(architecture))
      )
    })
  )

  it.live("runs a program and reports on it", () =>
    Effect.gen(function* () {
      const { reports, started, stdout, text } = yield* supervise(
        'echo "$GIVEN"; echo err >&2; cd "$SANDBOX_OUTPUT_DIR" && touch made; ulimit -c; umask; exit 3'
      )
      assert.strictEqual(stdout, "one\ntwo%\n0\n0022\n")
      assert.strictEqual(text, "err\n")
      assert.deepStrictEqual(started, ["none"])
      assert.strictEqual(reports.length, 1)
      assert.include(reports[0], {
        ...{ reason: "", exited: true, status: 3 << 8, outputs: true, leftRunning: 0, survivors: 0 },
        ...{ stdoutBytes: 16, stderrBytes: 4, dropped: 0, cgroup: "none" }
      })
    })
  )

  it.live("cuts output between characters, and says how many bytes are missing", () =>
    Effect.gen(function* () {
      // Four ways to meet the cuts, on either stream.
      for (const before of ["", "a", "ab", "abc"]) {
        const text = `${before}${"🎉é".repeat(700)}`
        const { stdout, text: stderr } = yield* supervise(`printf %s "$TEXT"; printf %s "$TEXT" >&2`, {
          BULKHEAD_ENV: `TEXT=${text}`
        })
        for (const said of [stdout, stderr]) {
          const [head = "", left, tail = ""] = said.split(/\n\[(\d+) bytes left out\]\n/)
          assert.isTrue(text.startsWith(head) && text.endsWith(tail), said)
          const bytes = Buffer.byteLength(head) + Number(left) + Buffer.byteLength(tail)
          assert.strictEqual(bytes, Buffer.byteLength(text))
        }
      }
    })
  )

  it.live("says which files a program leaves outside the output directory, and no others", () =>
    Effect.gen(function* () {
      const { reports } = yield* supervise(
        "mkdir -p d/e .config __pycache__ node_modules; echo > output/a; echo > d/e/b; echo > c; echo > .config/f; echo > __pycache__/g; echo > node_modules/h"
      )
      const names = reports[0]?.outsideNames.map((hex) => Buffer.from(hex, "hex").toString())
      assert.deepStrictEqual(names, ["c", "d/e/b"])
      assert.include(reports[0], { outside: 2, outsideCut: false })
      const many = yield* supervise("i=0; while [ $i -lt 2000 ]; do : > $i; i=$((i + 1)); done")
      assert.include(many.reports[0], { outsideCut: true })
      assert.isAtLeast(many.reports[0]?.outside ?? 0, 900)
      assert.strictEqual(many.reports[0]?.outsideNames.length, 5)
    })
  )

  it.live("gives a program its arguments as they are, also those of another line or of nothing", () =>
    Effect.gen(function* () {
      const print = `printf '%s|' "$#" "$@"`
      const { stdout } = yield* supervise(print, { BULKHEAD_ARGS: "a b\n\n-n\none%0Atwo %2541 'é' $HOME\n" })
      assert.strictEqual(stdout, "4|a b||-n|one\ntwo %41 'é' $HOME|")
      assert.strictEqual((yield* supervise(print, { BULKHEAD_ARGS: "" })).stdout, "0|")
    })
  )

  it.live("gives a program a file as its input, which it finds nowhere else", () =>
    Effect.gen(function* () {
      const { env, line } = GuestProgram.start(yield* sent)
      const code = 'od -An -c; cat; ls -A "$HOME"; readlink /proc/self/fd/0'
      const ran = (write: string, more = {}) =>
        Effect.map(
          runShell(`${write}; ${line}`, { ...settings, ...env, BULKHEAD_CODE: code, ...more }, [
            ...asUser,
            "/bin/sh",
            "-c"
          ]),
          ({ stderr, stdout }) => ({ stdout, ...understand(stderr) })
        )
      const given = yield* ran(`printf 'a\\000\\377\\n' > $HOME/in`, { BULKHEAD_INPUT: "in" })
      assert.strictEqual(given.stdout, "   a  \\0 377  \\n\nmain.sh\noutput\n/home/user/in (deleted)\n")
      const nothing = yield* ran("true")
      assert.strictEqual(nothing.stdout, "main.sh\noutput\n/dev/null\n")
      const lost = yield* ran("true", { BULKHEAD_INPUT: "in" })
      assert.deepStrictEqual(lost.reports, [])
      assert.strictEqual(lost.text, "the program's input: No such file or directory\n")
    })
  )

  it.live("keeps the beginning and the end of a long output", () =>
    Effect.gen(function* () {
      const { reports, stdout } = yield* supervise("seq 1 2000")
      const whole = Array.from({ length: 2000 }, (_, index) => `${index + 1}\n`).join("")
      const dropped = whole.length - 2000
      assert.strictEqual(
        stdout,
        `${whole.slice(0, 1000)}\n[${dropped} bytes left out]\n${whole.slice(-1000)}`
      )
      assert.include(reports[0], { stdoutBytes: whole.length, dropped })
    })
  )

  it.live("leaves no secret where the program, or anyone, can read it", () =>
    Effect.gen(function* () {
      const { stdout } = yield* supervise(
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls -A /tmp | sed s/^/left/"
      )
      assert.notInclude(stdout, "nonce")
      assert.notInclude(stdout, "BULKHEAD")
      assert.notInclude(stdout, "left")
    })
  )

  it.live("wipes its environment, so that not even the machine's root finds the nonce there", () =>
    Effect.gen(function* () {
      if (process.getuid?.() !== 0) return
      const { env, line } = GuestProgram.start(yield* sent)
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("bwrap", [...asUser.slice(1), "/bin/sh", "-c", line], {
            env: { ...settings, ...env, BULKHEAD_CODE: "echo $PPID; exec sleep 60" },
            stdio: ["ignore", "pipe", "pipe"]
          })
        ),
        (started) => Effect.sync(() => started.kill("SIGKILL"))
      )
      yield* Effect.async<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
      })
      const commandLine = (pid: string) => readIfThere(`/proc/${pid}/cmdline`)
      const supervisors = readdirSync("/proc").filter((name) =>
        commandLine(name).startsWith("/tmp/.bulkhead-")
      )
      assert.strictEqual(supervisors.length, 1)
      assert.match(readFileSync(`/proc/${supervisors[0]}/environ`, "utf8"), /^\0+$/)
    }).pipe(Effect.scoped)
  )

  it.live("ends a program at its deadline, with all that it has started", () =>
    Effect.gen(function* () {
      const { reports } = yield* supervise("trap '' TERM; (setsid sleep 60 &); sleep 61; sleep 62", {
        BULKHEAD_LIMITS: settings.BULKHEAD_LIMITS.replace("5000 100", "300 100")
      })
      assert.include(reports[0], { reason: "timeout", exited: true, status: 9, survivors: 0 })
      assert.deepStrictEqual(
        reports[0]?.signals.map(({ signal }) => signal),
        ["SIGTERM", "SIGKILL"]
      )
    })
  )

  it.live("says that it is within the reach of a program of its own user", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* supervise("true")).ways, ["user"])
    })
  )

  it.live("is silent once the program has changed its limits, since it may see nobody", () =>
    Effect.gen(function* () {
      const limit = "prlimit --pid $PPID --nofile=0:0"
      for (const code of [
        `setsid sleep 60 & ${limit}`,
        `prlimit --pid $PPID --nofile=0: && sleep 0.2; prlimit --pid $PPID --nofile=1024:`
      ]) {
        const { reports, started, text } = yield* supervise(code)
        assert.deepStrictEqual([started, reports], [["none"], []])
        assert.match(text, /^the supervisor's own limits: /)
      }
    })
  )

  it.live("runs where there is busybox and nothing else", ({ skip }) =>
    Effect.gen(function* () {
      const busybox = (process.env.PATH ?? "")
        .split(":")
        .map((directory) => join(directory, "busybox"))
        .find((path) => existsSync(path))
      if (busybox === undefined) return skip("there is no busybox on this machine's PATH")
      const tools = ["sh", "base64", "gzip", "chmod", "echo", "sleep", "uname", "test"]
      const bare = [
        ...["bwrap", "--unshare-all", "--as-pid-1", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"],
        ...[
          "--tmpfs",
          "/tmp",
          "--tmpfs",
          "/home",
          "--dir",
          "/home/user",
          "--ro-bind",
          busybox,
          "/bin/busybox"
        ],
        ...tools.flatMap((tool) => ["--symlink", "busybox", `/bin/${tool}`]),
        ...["--uid", "1000", "--gid", "1000", "--setenv", "HOME", "/home/user", "--setenv", "USER", "user"],
        ...["--setenv", "PATH", "/bin", "/bin/sh", "-c"]
      ]
      const trial = GuestProgram.trial(yield* Guest.packed(architecture))
      const tried = yield* runShell(trial.line, trial.env, bare)
      assert.strictEqual(Option.getOrUndefined(GuestProgram.directoryIn(tried.stdout)), "/tmp")
      const { env, line } = GuestProgram.start(yield* sent)
      const code = "echo here; (sleep 60 &); exit 3"
      const { stderr, stdout } = yield* runShell(line, { ...settings, ...env, BULKHEAD_CODE: code }, bare)
      assert.strictEqual(stdout, "here\n")
      assert.include(understand(stderr).reports[0], { status: 3 << 8, leftRunning: 1, survivors: 0 })
    })
  )

  it.live("proves that nobody is left, although no cgroup counts and one process hops to the next", () =>
    Effect.gen(function* () {
      const hop = (pause: number) => `
cat > hop.py <<'EOF'
import ctypes, os, time
libc = ctypes.PyDLL(None)
while True:
    os.close(os.open("output/hop", os.O_CREAT))
    end = time.monotonic() + ${pause}
    while time.monotonic() < end: pass
    if libc.fork(): os._exit(0)
EOF
(setsid python3 hop.py > hopped 2>&1 &)
sleep 0.2`
      for (const pause of [0, 0.0001, 0.001, 0.003]) {
        const { reports } = yield* supervise(hop(pause))
        assert.include(reports[0], { reason: "", status: 0, survivors: 0, outputs: true, cgroup: "none" })
        assert.isAtLeast(reports[0]?.leftRunning ?? 0, 1)
      }
    })
  )

  it.live("does not know of survivors where nothing tells who was born meanwhile", () =>
    Effect.gen(function* () {
      const { env, line } = GuestProgram.start(yield* sent)
      const hidden = ["--ro-bind", "/dev/null", "/proc/loadavg"]
      const { stderr } = yield* runShell(line, { ...settings, ...env, BULKHEAD_CODE: "true" }, [
        ...asUser,
        ...hidden,
        "/bin/sh",
        "-c"
      ])
      assert.include(understand(stderr).reports[0], { status: 0, survivors: "unknown" })
    })
  )

  const places = ["memory", "pids", "cpu", "cpuacct"].map((name) => `/sys/fs/cgroup/${name}`)
  const mayMakeCgroups = process.getuid?.() === 0 && places.every((place) => existsSync(`${place}/tasks`))

  it.live.skipIf(!mayMakeCgroups)(
    "makes a cgroup for the program where it may, as in an image of E2B's",
    () =>
      Effect.gen(function* () {
        const name = `bulkhead-image-${process.pid}`
        const cgroups = places.map((place) => `${place}/${name}`)
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            for (const cgroup of cgroups) mkdirSync(cgroup)
          }),
          () =>
            Effect.sync(() => {
              for (const cgroup of cgroups.flatMap((each) => [`${each}/bulkhead`, each])) rmdirSync(cgroup)
            })
        )
        const passwd = join(mkdtempSync(join(tmpdir(), "image-")), "passwd")
        writeFileSync(passwd, "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
        const image = [
          ...["bwrap", "--unshare-pid", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"],
          ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"],
          ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--perms", "1777"],
          ...[
            "--tmpfs",
            "/tmp",
            "--ro-bind",
            passwd,
            "/etc/passwd",
            "--perms",
            "1777",
            "--dir",
            "/home/user"
          ],
          ...places.flatMap((place) => ["--bind", `${place}/${name}`, place])
        ]
        const { env, line } = GuestProgram.start(yield* sent)
        const superviseIn = (code: string) =>
          Effect.map(
            runShell(line, { ...settings, ...env, BULKHEAD_CODE: code, PATH: "/usr/bin:/bin" }, [
              ...image,
              "/bin/sh",
              "-c"
            ]),
            ({ stderr }) => understand(stderr)
          )
        const said = yield* superviseIn(
          "(setsid sh -c 'while :; do sh -c true; done' &); sleep 0.1; cat /proc/self/cgroup >&2"
        )
        assert.include(said.text, ":/bulkhead-image")
        assert.include(said.reports[0], { status: 0, survivors: 0, oomKills: 0, cgroup: "cgroup v1" })
        assert.isAtLeast(said.reports[0]?.leftRunning ?? 0, 1)
        const full = yield* superviseIn("head -c 200000000 /dev/zero | tail -c 200000000; exit 3")
        assert.include(full.reports[0], { survivors: 0, oomKills: 1, cgroup: "cgroup v1" })
        assert.closeTo(full.reports[0]?.memoryLimitBytes ?? 0, 100_000_000, 65_536)
      }).pipe(Effect.scoped)
  )

  it.live("says which of its settings it cannot understand", () =>
    Effect.gen(function* () {
      for (const [name, value] of [
        ["BULKHEAD_LIMITS", "1 2 3"],
        ["BULKHEAD_NONCE", 'a"b'],
        ["BULKHEAD_COMMAND", ""]
      ] as const) {
        const { reports, text } = yield* supervise("true", { [name]: value })
        assert.strictEqual(text, `the supervisor cannot understand its settings: ${name.slice(9)}\n`)
        assert.deepStrictEqual(reports, [])
      }
    })
  )

  it.live("as root refuses to start where there is no user to become", () =>
    Effect.gen(function* () {
      const { env, line } = GuestProgram.start(yield* sent)
      const { stderr } = yield* runShell(line, { ...settings, ...env, PATH: "/usr/bin:/bin" }, [
        ...asRoot,
        "/bin/sh",
        "-c"
      ])
      assert.strictEqual(stderr, "the sandbox has no user of its own\n")
    })
  )
})
