import { execFileSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { ExecutionRequestInput } from "@bulkhead/domain"
import { assert, it, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const python = (userId: string, lines: ReadonlyArray<string>): ExecutionRequestInput => ({
  code: ["import os", "out = os.environ['SANDBOX_OUTPUT_DIR']", ...lines].join("\n"),
  language: "python",
  userId
})

const reasons = (result: { readonly rejectedArtifacts?: ReadonlyArray<{ readonly reason: string }> }) =>
  (result.rejectedArtifacts ?? []).map(({ reason }) => reason)

const settings = { SANDBOX_INSPECTION_SECONDS: "1", SANDBOX_USER_ARTIFACT_KINDS: "strict text" }

layer(ServerProcess.layer(settings), { excludeTestServices: true, timeout: 60_000 })("a server", (it) => {
  it.effect(
    "looks at files in threads, and no file takes longer than it may",
    () =>
      Effect.gen(function* () {
        const head = "bytes.fromhex('ffd8ffe000104a46494600010100000100010000')"
        const result = yield* Caller.execute(
          python("test-user", [
            `open(out + '/fill.jpg', 'wb').write(${head} + b'\\xff' * 20_000_000 + b'\\xd9')`,
            "import bz2; open(out + '/slow.bz2', 'wb').write(bz2.compress(os.urandom(16_000_000)))",
            "open(out + '/a.txt', 'w').write('a')"
          ])
        )
        assert.deepStrictEqual(result.artifacts?.map(({ name }) => name).toSorted(), ["a.txt", "fill.jpg"])
        assert.deepStrictEqual(reasons(result), [
          "Artifact validation failed: it took longer than 1 s to inspect"
        ])
        assert.strictEqual(result.verdict, "Completed")
      }),
    90_000
  )

  it.effect(
    "keeps what agents write, sends it so that no browser runs it, and heeds each user's list",
    () =>
      Effect.gen(function* () {
        const program = [
          "open(out + '/chart.html', 'w').write('<script src=//x></script>')",
          "open(out + '/k.csv', 'w', encoding='cp1252').write('Größe;Preis €\\n')",
          "open(out + '/spectrum.csv', 'w').write('MZ,intensity\\n1,2\\n')",
          "open(out + '/Makefile', 'w').write('all:\\n')",
          "open(out + '/run.sh', 'w').write('#!/bin/sh\\n')"
        ]
        const result = yield* Caller.execute(python("ann", program))
        const types = Object.fromEntries(result.artifacts.map(({ mediaType, name }) => [name, mediaType]))
        assert.deepStrictEqual(types, {
          "chart.html": "text/html; charset=utf-8",
          "k.csv": "text/csv",
          "spectrum.csv": "text/csv; charset=utf-8",
          Makefile: "text/plain; charset=utf-8",
          "run.sh": "text/plain; charset=utf-8"
        })
        const { url } = yield* ServerProcess.ServerProcess
        for (const [name, mediaType] of Object.entries(types)) {
          const path = `/api/executions/${result.executionId}/artifacts/${name}`
          const { headers } = yield* Effect.promise(() => fetch(`${url}${path}`, Caller.asAdmin))
          assert.strictEqual(headers.get("content-type"), mediaType)
          assert.match(headers.get("content-disposition") ?? "", /^attachment;/)
          assert.match(headers.get("content-security-policy") ?? "", /^sandbox; default-src 'none';/)
          assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        }
        const strict = yield* Caller.execute(python("strict", program))
        assert.deepStrictEqual(
          strict.artifacts.map(({ name }) => name),
          ["Makefile"]
        )
      }),
    90_000
  )
})

it.scopedLive(
  "a file that clamd cannot scan, since it is gone, is refused, and its execution is not",
  () =>
    Effect.gen(function* () {
      const result = yield* Caller.execute(python("ann", ["open(out + '/a.txt', 'w').write('a')"]))
      assert.strictEqual(result.verdict, "Completed")
      assert.deepStrictEqual(reasons(result), ["Artifact validation failed: it could not be scanned"])
    }).pipe(Effect.provide(ServerProcess.layer({ CLAMAV_ADDRESS: "unix:/nowhere/clamd.ctl" }))),
  90_000
)

const metrics = (userId: string) =>
  Effect.all({
    all: Caller.get("/api/sandbox/metrics"),
    user: Caller.get(`/api/sandbox/metrics/${userId}`)
  })

const megabytes = (name: string, count: number) =>
  `open(out + '/${name}', 'w').write('x' * 1_048_576 * ${count})`

it.scopedLive(
  "a user's artifacts, and all, have their room; what does not fit is refused, also after a restart",
  () =>
    Effect.gen(function* () {
      const settings = {
        SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory,
        SANDBOX_INSTANCE: "test",
        SANDBOX_USER_ARTIFACTS_MB: "3",
        SANDBOX_ARTIFACTS_MB: "5"
      }
      const refused = (limit: number, whose: string) => [
        `Artifact validation failed: it does not fit into the ${limit} MB that ${whose} may take together`
      ]
      yield* Effect.gen(function* () {
        const first = yield* Caller.execute(python("ann", [megabytes("a.txt", 2), megabytes("b.txt", 2)]))
        assert.strictEqual(first.artifacts?.length, 1)
        assert.strictEqual(first.verdict, "Completed")
        assert.deepStrictEqual(reasons(first), refused(3, "the user's artifacts"))
        const { all, user } = yield* metrics("ann")
        assert.deepStrictEqual([all.artifactBytes, user.artifactBytes], [2_097_152, 2_097_152])
      }).pipe(Effect.provide(ServerProcess.layer(settings)))
      yield* Effect.gen(function* () {
        const again = yield* Caller.execute(python("ann", [megabytes("a.txt", 2)]))
        assert.deepStrictEqual(reasons(again), refused(3, "the user's artifacts"))
        yield* Caller.execute(python("bob", [megabytes("a.txt", 3)]))
        const third = yield* Caller.execute(python("cid", [megabytes("a.txt", 1)]))
        assert.strictEqual(third.verdict, "Completed")
        assert.deepStrictEqual(reasons(third), refused(5, "all artifacts"))
      }).pipe(Effect.provide(ServerProcess.layer(settings)))
    })
)

it.scopedLive(
  "the oldest artifacts go when all that is kept is larger than it may be",
  () =>
    Effect.gen(function* () {
      const settings = {
        SANDBOX_DATA_DIR: yield* ServerProcess.temporaryDirectory,
        SANDBOX_INSTANCE: "test"
      }
      const run = Caller.execute(python("ann", [megabytes("a.txt", 2)]))
      const [old, young] = yield* Effect.provide(Effect.all([run, run]), ServerProcess.layer(settings))
      yield* Effect.gen(function* () {
        const statusOf = ({ executionId }: { readonly executionId: string }) =>
          Effect.map(
            Caller.fetchJson(`/api/sandbox/executions/${executionId}`, Caller.asAdmin),
            ({ status }) => status
          )
        yield* statusOf(old).pipe(
          Effect.repeat({ until: (status) => status === 404, schedule: Schedule.spaced("50 millis") }),
          Effect.timeout("20 seconds")
        )
        assert.strictEqual(yield* statusOf(young), 200)
        assert.strictEqual((yield* metrics("ann")).all.artifactBytes, 2_097_152)
      }).pipe(Effect.provide(ServerProcess.layer({ ...settings, SANDBOX_RETENTION_MB: "3" })))
    }),
  90_000
)

it.scopedLive.skipIf(process.getuid?.() !== 0)(
  "on a full disk a file is refused, and its execution is not",
  () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const artifacts = join(directory, "artifacts")
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          mkdirSync(artifacts)
          execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", artifacts])
        }),
        () => Effect.sync(() => execFileSync("umount", [artifacts]))
      )
      const settings = { SANDBOX_DATA_DIR: directory, SANDBOX_INSTANCE: "test" }
      yield* Effect.gen(function* () {
        const result = yield* Caller.execute(python("ann", [megabytes("a.txt", 8)]))
        assert.strictEqual(result.verdict, "Completed")
        assert.deepStrictEqual(reasons(result), ["Artifact validation failed: there is no room to keep it"])
        const next = yield* Caller.execute(python("ann", [megabytes("c.txt", 1)]))
        assert.deepStrictEqual(
          next.artifacts?.map(({ name }) => name),
          ["c.txt"]
        )
      }).pipe(Effect.provide(ServerProcess.layer(settings)))
    })
)
