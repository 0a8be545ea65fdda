import { Guest } from "@bulkhead/guest"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { run, sandbox } from "./Fixtures.js"

const architecture = process.arch === "arm64" ? "arm64" : "x64"

const megabyte = 1024 * 1024

/** How the supervisor is told to run a shell line: times in milliseconds, sizes in bytes, 16 MB of output kept. */
const settings = (line: string) => ({
  BULKHEAD_NONCE: "11111111-2222-3333-4444-555555555555",
  BULKHEAD_LIMITS: `60000 1000 60000 ${256 * megabyte} 64 ${256 * megabyte} ${8 * megabyte} ${64 * megabyte} 80`,
  BULKHEAD_COMMAND: "bash main.sh",
  BULKHEAD_FILE: "main.sh",
  BULKHEAD_ENV: "",
  BULKHEAD_OUTPUT: "output",
  BULKHEAD_CODE: line
})

/** Reads a pipe: after a while, and to its end, or one byte of it. Says how much came that is not a line of ours. */
const reader = `import sys, time
pipe, wait, most = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
open(pipe + ".ready", "w").close()
with open(pipe, "rb") as source:
    time.sleep(wait)
    print(source.read(most).count(b"\\0"), flush=True)
`

interface Reader {
  readonly seconds: number
  /** -1: all. */
  readonly bytes: number
}

const patient: Reader = { seconds: 7, bytes: -1 }
const attentive: Reader = { seconds: 0, bytes: -1 }

/** A program that writes so much to both streams, under the supervisor; who was born after that one would be killed. */
const supervised = (bytes: number, out: Reader, err: Reader) =>
  Effect.gen(function* () {
    const here = yield* sandbox()
    yield* Effect.promise(() => here.files.write("/tmp/reader.py", reader))
    const read = (pipe: string, reader: Reader) =>
      `mkfifo ${pipe}; python3 /tmp/reader.py ${pipe} ${reader.seconds} ${reader.bytes} >${pipe}.seen &`
    const line = `cd /tmp; ${read("out", out)} ${read("err", err)}
      until test -e out.ready -a -e err.ready; do sleep 0.05; done
      ${Guest.places[architecture]} supervise >out 2>err; echo $? >code
      wait; cat out.seen err.seen code`
    const program = `head -c ${bytes} /dev/zero | tee /dev/stderr`
    return yield* run(here, line, { user: "root", envs: settings(program) })
  })

layer(EmbeddedHost.layer(), { excludeTestServices: true, timeout: "60 seconds" })("The supervisor", (it) => {
  const bytes = 3 * megabyte

  it.scoped("says all to readers that begin long after the program's end", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* supervised(bytes, patient, patient)
      assert.strictEqual(stdout, `${bytes}\n${bytes}\n0\n`, stderr)
    })
  )

  it.scoped("tells by its exit code that the reader of its output left before the end", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* supervised(bytes, { ...attentive, bytes: 1 }, attentive)
      assert.strictEqual(stdout, `1\n${bytes}\n3\n`, stderr)
    })
  )

  it.scoped("tells by its exit code that the reader of its errors left before the end", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* supervised(bytes, attentive, { ...attentive, bytes: 1 })
      assert.strictEqual(stdout, `${bytes}\n0\n3\n`, stderr)
    })
  )
})
