import { spawn, spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { type AddressInfo, connect, createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as ServerProcess from "../ServerProcess.js"
import * as Exposed from "./Exposed.js"

const has = (program: string) => spawnSync(program, ["--version"]).status === 0
const hasPrometheus = has("prometheus") && has("promtool")

const get = (url: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
  Effect.promise(async (signal) => {
    const answer = await fetch(url, { method, headers, signal })
    return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() }
  })

const admin = { authorization: `Bearer ${ServerProcess.adminToken}` }

const execute = (url: string, request: object) =>
  Effect.promise(async (signal) => {
    const headers = { "content-type": "application/json" }
    const answer = await fetch(`${url}/api/execute`, {
      method: "POST",
      headers,
      body: JSON.stringify(request),
      signal
    })
    await answer.text()
  })

/** A request as no client would send it. */
const raw = (url: string, lines: string) =>
  Effect.async<string>((resume) => {
    const { hostname, port } = new URL(url)
    let text = ""
    const socket = connect(Number(port), hostname, () => socket.end(lines, "latin1"))
    socket.on("data", (chunk) => {
      text += chunk
    })
    socket.on("close", () => resume(Effect.succeed(text)))
    socket.on("error", () => resume(Effect.succeed(text)))
  })

/** A port that is free now, for a program that says nowhere which it took. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const valueOf = (text: string, line: string) =>
  Number(
    text
      .split("\n")
      .find((each) => each.startsWith(`${line} `))
      ?.slice(line.length)
  )

const hostile = ['"} 1\nbulkhead_faked 1', "\\", "\n# HELP x", "\u2028", "</script>", "a".repeat(5000)]

const namesIn = (text: string) => [
  ...new Set([...text.matchAll(/^(bulkhead_\w+)/gm)].map(([, name]) => name))
]

describe("/metrics", () => {
  it.scopedLive(
    "tells those who may know what happened, whatever names there are",
    () =>
      Effect.gen(function* () {
        const { url } = yield* ServerProcess.start({ SANDBOX_METRICS_USERS: "true" })
        yield* execute(url, { code: "print(1)", userId: "ann" })
        yield* execute(url, { code: "exit(3)", language: "bash", userId: "ann" })
        for (const name of hostile) {
          yield* execute(url, { code: "", userId: name, language: name, image: name })
          yield* execute(url, { code: "", image: name })
          yield* get(`${url}/${encodeURIComponent(name.slice(0, 500))}`)
        }
        yield* raw(url, 'GET /"}\\\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')

        assert.strictEqual((yield* get(`${url}/metrics`)).status, 401)
        assert.strictEqual((yield* get(`${url}/metrics`, { authorization: "Bearer wrong" })).status, 401)
        assert.strictEqual((yield* get(`${url}/metrics`, admin, "POST")).status, 405)
        const { status, text, type } = yield* get(`${url}/metrics?x=1`, admin)
        assert.strictEqual(status, 200)
        assert.strictEqual(type, "text/plain; version=0.0.4; charset=utf-8")

        assert.strictEqual(
          valueOf(text, 'bulkhead_executions_total{language="python",image="",verdict="Completed"}'),
          1
        )
        assert.strictEqual(
          valueOf(text, 'bulkhead_user_executions_total{user="ann",verdict="NonZeroExit"}'),
          1
        )
        assert.strictEqual(
          valueOf(text, 'bulkhead_execution_run_seconds_count{language="bash",verdict="NonZeroExit"}'),
          1
        )
        assert.strictEqual(
          valueOf(text, 'bulkhead_refusals_total{code="INVALID_REQUEST"}'),
          2 * hostile.length
        )
        assert.strictEqual(valueOf(text, 'bulkhead_provider_circuit{state="closed"}'), 1)
        assert.isAbove(valueOf(text, "bulkhead_store_commit_seconds_count"), 0)
        assert.isAbove(valueOf(text, "process_resident_memory_bytes"), 1_000_000)
        assert.notInclude(text, "faked")
        assert.deepStrictEqual(
          namesIn(text).filter((name) => !Exposed.names.has(name ?? "")),
          []
        )
        if (!hasPrometheus) return
        const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" })
        assert.strictEqual(checked.stderr + checked.stdout, "")
      }),
    60_000
  )

  it.scopedLive(
    "needs no token at a port of its own, which is for this machine alone, and has no user's name unless told",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const { ended, kill, url } = yield* ServerProcess.start({
          METRICS_PORT: String(port),
          SANDBOX_ACCESS_LOG: "stdout"
        })
        const own = `http://127.0.0.1:${port}`
        yield* execute(url, { code: "print(1)", userId: "ann-of-the-test" })
        const path = "x".repeat(3000)
        yield* raw(url, `GET /${path}\x1b[2J?key=SECRET HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
        yield* get(`${url}/\u001b]0;title?key=SECRET`)
        const { status, text } = yield* get(`${own}/metrics`)
        assert.strictEqual(status, 200)
        assert.include(text, "bulkhead_executions_total{")
        assert.notInclude(text, "ann-of-the-test")
        assert.strictEqual((yield* get(`${own}/api/execute`)).status, 404)
        const rebound = yield* raw(
          own,
          "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert.match(rebound, /^HTTP\/1\.1 403 /)

        yield* kill("SIGTERM")
        const { stdout } = yield* ended
        const lines = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
          .filter(({ type }) => type === "request")
        assert.isAtLeast(lines.length, 2)
        assert.isTrue(lines.every((line) => line.route !== "other" || line.path.length <= 200))
        assert.notMatch(stdout.replaceAll("\n", ""), /SECRET|\p{Cc}/u)
      }),
    60_000
  )

  it.scopedLive.skipIf(!hasPrometheus)(
    "is scraped by Prometheus itself",
    () =>
      Effect.gen(function* () {
        const { url } = yield* ServerProcess.start()
        yield* execute(url, { code: "print(1)" })
        const directory = yield* ServerProcess.temporaryDirectory
        const file = join(directory, "prometheus.yml")
        writeFileSync(join(directory, "token"), ServerProcess.adminToken)
        const config = {
          global: { scrape_interval: "200ms", scrape_timeout: "200ms" },
          scrape_configs: [
            {
              job_name: "bulkhead",
              authorization: { credentials_file: join(directory, "token") },
              static_configs: [{ targets: [new URL(url).host] }]
            }
          ]
        }
        // JSON is YAML too.
        writeFileSync(file, JSON.stringify(config))
        const port = yield* freePort
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn(
              "prometheus",
              [
                `--config.file=${file}`,
                `--storage.tsdb.path=${join(directory, "data")}`,
                `--web.listen-address=127.0.0.1:${port}`
              ],
              { stdio: "ignore" }
            )
          ),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const query = encodeURIComponent('bulkhead_executions_total{verdict="Completed"}')
        const found = yield* Effect.tryPromise(async (signal) => {
          const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`, { signal })
          const { data } = (await answer.json()) as {
            readonly data: { readonly result: ReadonlyArray<{ readonly value: readonly [number, string] }> }
          }
          const [first] = data.result
          if (first === undefined) throw new Error("not scraped yet")
          return first.value[1]
        }).pipe(Effect.retry(Schedule.spaced("200 millis")), Effect.timeout("40 seconds"))
        assert.strictEqual(found, "1")
      }),
    90_000
  )
})
