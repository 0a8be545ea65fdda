import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect } from "effect"
import { connection, rejection, run, sandbox } from "./Fixtures.js"
import { accessTo, control, request } from "./RawHttp.js"

interface Created {
  readonly sandboxID: string
  readonly envdAccessToken: string
}

const create = (path: string) =>
  Effect.acquireRelease(
    Effect.map(
      control(path, { method: "POST", body: JSON.stringify({ templateID: "base" }) }),
      ({ text }) => JSON.parse(text) as Created
    ),
    ({ sandboxID }) => control(`/sandboxes/${sandboxID}`, { method: "DELETE" })
  )

const envdHeaders = ({ sandboxID, envdAccessToken }: Created) => ({
  "e2b-sandbox-id": sandboxID,
  "x-access-token": envdAccessToken
})

const envelope = (value: unknown) => {
  const json = Buffer.from(JSON.stringify(value))
  const header = Buffer.alloc(5)
  header.writeUInt32BE(json.length, 1)
  return Buffer.concat([header, json])
}

interface Envelope {
  readonly flags: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came
  readonly message: any
}

const envelopes = (bytes: Buffer): ReadonlyArray<Envelope> => {
  const found: Array<Envelope> = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    found.push({ flags: bytes[at] ?? 0, message: JSON.parse(bytes.subarray(at + 5, end).toString()) })
    at = end
  }
  return found
}

const startProcess = (made: Created, body: unknown, headers: Record<string, string> = {}, method = "Start") =>
  Effect.flatMap(EmbeddedHost, (host) =>
    Effect.promise(async () => {
      const response = await fetch(`${host.url}/process.Process/${method}`, {
        method: "POST",
        headers: { "content-type": "application/connect+json", ...envdHeaders(made), ...headers },
        body: envelope(body)
      })
      return envelopes(Buffer.from(await response.arrayBuffer()))
    })
  )

const shell = (command: string) => ({ process: { cmd: "/bin/sh", args: ["-c", command] } })

layer(EmbeddedHost.layer(), { excludeTestServices: true })("The wire", (it) => {
  it.scoped("answers 401 in E2B's shape without the key", () =>
    Effect.gen(function* () {
      const routes = [
        ["GET", "/v2/sandboxes"],
        ["POST", "/v2/sandboxes"],
        ["POST", "/sandboxes"],
        ["GET", "/sandboxes/x"],
        ["DELETE", "/sandboxes/x"],
        ["POST", "/sandboxes/x/timeout"],
        ["POST", "/v2/sandboxes/x/connect"]
      ] as const
      for (const [method, path] of routes) {
        const answer = yield* request(path, { method })
        assert.strictEqual(answer.status, 401, path)
        assert.strictEqual(JSON.parse(answer.text).code, 401)
      }
    })
  )

  it.scoped("answers what is malformed or unknown with a body that tells the code", () =>
    Effect.gen(function* () {
      const post = (path: string, body: string) => control(path, { method: "POST", body })
      assert.strictEqual((yield* post("/v2/sandboxes", "{")).status, 400)
      assert.strictEqual((yield* post("/v2/sandboxes", "{}")).status, 400)
      assert.strictEqual((yield* post("/v2/sandboxes", '{"templateID":"base","timeout":-1}')).status, 400)
      assert.strictEqual((yield* post("/v2/sandboxes", '{"templateID":"base","timeout":"1"}')).status, 400)
      const gone = yield* control("/sandboxes/none")
      assert.strictEqual(gone.status, 404)
      assert.strictEqual(JSON.parse(gone.text).code, 404)
      assert.strictEqual((yield* control("/v2/sandboxes?metadata=%25E0%25A4%25A")).status, 400)
      assert.strictEqual((yield* control("/v2/sandboxes?limit=0")).status, 400)
      assert.strictEqual((yield* control("/nowhere")).status, 404)
    })
  )

  it.scoped("says in a few words what is wrong with a body", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const said = ({ text }: { readonly text: string }) => JSON.parse(text).message
      const create = (body: string) => Effect.map(control("/v2/sandboxes", { method: "POST", body }), said)
      const call = (method: string, body: string) =>
        Effect.map(
          request(method, {
            method: "POST",
            headers: { "content-type": "application/json", ...accessTo(here) },
            body
          }),
          said
        )
      for (const [body, wrong] of [
        ["{", "it is not JSON"],
        ["null", "it must be an object"],
        ["{}", "templateID must be given"],
        ['{"templateID":1}', "templateID must be a string"],
        ['{"templateID":"base","timeout":-1}', "timeout must be a number of seconds, 0 or more"],
        ['{"templateID":"base","timeout":"1"}', "timeout must be a number"],
        ['{"templateID":"base","metadata":{"a":1}}', "metadata.a must be a string"],
        ['{"templateID":"base","volumeMounts":{}}', "volumeMounts must be a list or null"],
        ['{"templateID":"base","cpus":4}', "cpus must be left out: this host does not have it"]
      ] as const)
        assert.strictEqual(yield* create(body), `invalid request body: ${wrong}`)
      assert.strictEqual(
        yield* call("/process.Process/SendSignal", '{"process":{},"signal":true}'),
        "invalid message: signal must be a string or a number"
      )
      for (const method of ["timeout", "connect"])
        assert.include(
          said(
            yield* control(`/sandboxes/${here.sandboxId}/${method}`, {
              method: "POST",
              body: '{"timeout":60,"unit":"min"}'
            })
          ),
          "unit must be left out"
        )
      for (const depth of [-1, 1.5, 1e21])
        assert.strictEqual(
          yield* call("/filesystem.Filesystem/ListDir", JSON.stringify({ path: "/", depth })),
          "invalid message: depth must be a whole number, 0 or more"
        )
      assert.match(
        yield* call("/process.Process/SendInput", '{"process":{},"input":{"stdin":"?"}}'),
        /^invalid message: input.stdin must be [^{]{1,60}$/
      )
    })
  )

  it.scoped("refuses what a list cannot be asked for, and names the parameter", () =>
    Effect.gen(function* () {
      yield* sandbox()
      for (const [query, message] of [
        ["order=newest", "order takes asc or desc"],
        ["state=running,stopped", "state takes running, paused"],
        ["state=", "state takes running, paused"],
        ["nextToken=next", "nextToken takes what"],
        ["nextToken=1e3.x", "nextToken takes what"],
        ["limit=0x10", "limit takes 1 to 100"],
        ["limit=", "limit takes 1 to 100"],
        [
          "size=5",
          "lists take limit, metadata, nextToken, order, startedAfter, state, template, and no other"
        ]
      ]) {
        const answer = yield* control(`/v2/sandboxes?${query}`)
        assert.strictEqual(answer.status, 400, query)
        assert.include(JSON.parse(answer.text).message, message)
      }
      assert.strictEqual((yield* control("/v2/sandboxes?state=running,paused&order=desc")).status, 200)
    })
  )

  it.scoped("answers unimplemented to the methods that it does not have", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const call = (method: string, contentType: string) =>
        request(method, {
          method: "POST",
          headers: { "content-type": contentType, ...accessTo(here) },
          body: envelope({})
        })
      for (const method of [
        "/process.Process/Update",
        "/process.Process/None",
        "/filesystem.Filesystem/CreateWatcher"
      ]) {
        const unary = yield* call(method, "application/json")
        assert.strictEqual(unary.status, 501, method)
        assert.strictEqual(JSON.parse(unary.text).code, "unimplemented")
        const streamed = yield* call(method, "application/connect+json")
        assert.strictEqual(streamed.status, 200, method)
        const [only] = envelopes(Buffer.from(streamed.text))
        assert.strictEqual(only?.message.error.code, "unimplemented")
        assert.include(only?.message.error.message, method.slice(1))
      }
      const error = yield* rejection(() => here.files.watchDir("/tmp", () => {}))
      assert.include(error.message, "unimplemented")
      const strangers = { "e2b-sandbox-id": here.sandboxId, "x-access-token": "none" }
      const refused = yield* request("/process.Process/None", {
        method: "POST",
        headers: strangers,
        body: "{}"
      })
      assert.strictEqual(refused.status, 401)
    })
  )

  it.scoped("makes sandboxes by the first version's route too", () =>
    Effect.gen(function* () {
      const made = yield* create("/sandboxes")
      const shown = JSON.parse((yield* control(`/sandboxes/${made.sandboxID}`)).text)
      assert.strictEqual(Date.parse(shown.endAt) - Date.parse(shown.startedAt), 15_000)
    })
  )

  it.scoped("shows a sandbox with its template's name, what its end is, and what lets one in", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const info = yield* Effect.promise(() => here.getInfo())
      assert.deepInclude(info, { name: "base", lifecycle: { onTimeout: "kill", autoResume: false } })
      const where = yield* connection
      const [listed] = yield* Effect.promise(() => Sandbox.list(where).nextItems())
      assert.strictEqual(listed?.name, "base")
      // Older clients connect with what this answers.
      const shown = yield* control(`/sandboxes/${here.sandboxId}`)
      assert.strictEqual(JSON.parse(shown.text).envdAccessToken, accessTo(here)["x-access-token"])
      assert.notInclude((yield* control("/v2/sandboxes")).text, "envdAccessToken")
    })
  )

  it.scoped("sets how long a sandbox lives, and refuses what says no such time", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const set = (id: string, body: string) => control(`/sandboxes/${id}/timeout`, { method: "POST", body })
      const endAt = Effect.map(control(`/sandboxes/${made.sandboxID}`), ({ text }) =>
        Date.parse(JSON.parse(text).endAt)
      )
      const before = yield* endAt
      assert.strictEqual((yield* set("none", '{"timeout":60}')).status, 404)
      for (const body of ["", "{", "{}", '{"timeout":-1}', '{"timeout":"60"}'])
        assert.strictEqual((yield* set(made.sandboxID, body)).status, 400, body)
      assert.strictEqual(yield* endAt, before)
      const answer = yield* set(made.sandboxID, '{"timeout":60}')
      assert.deepStrictEqual([answer.status, answer.text], [204, ""])
      assert.isBelow(yield* endAt, before - 200_000)
    })
  )

  it.scoped("lets nobody into a sandbox without its token", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const other = yield* create("/v2/sandboxes")
      const headers = { ...envdHeaders(made), "x-access-token": other.envdAccessToken }
      for (const path of ["/process.Process/List", "/filesystem.Filesystem/Stat", "/files?path=x"]) {
        const answer = yield* request(path, { method: "POST", headers, body: "{}" })
        assert.strictEqual(answer.status, 401, path)
      }
      assert.strictEqual((yield* request("/files?path=/etc/passwd", { headers })).status, 401)
    })
  )

  it.scoped("answers 502 for sandboxes that are not there", () =>
    Effect.gen(function* () {
      const headers = { "e2b-sandbox-id": "none", "x-access-token": "none" }
      for (const path of ["/health", "/files?path=x"]) {
        const answer = yield* request(path, { headers })
        assert.strictEqual(answer.status, 502)
        assert.strictEqual(JSON.parse(answer.text).sandboxId, "none")
      }
    })
  )

  it.scoped("begins with start and ends with end, and tells death by signal as envd does", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const events = yield* startProcess(made, shell("echo hi; kill -SEGV $$"))
      assert.isNumber(events[0]?.message.event.start.pid)
      const stdout = Buffer.from(events[1]?.message.event.data.stdout, "base64").toString()
      assert.strictEqual(stdout, "hi\n")
      const end = events[2]?.message.event.end
      assert.include(end, { exitCode: -1, exited: false })
      assert.match(end.status, /^signal: segmentation fault/)
      assert.strictEqual(end.error, end.status)
      assert.deepEqual(events[3], { flags: 2, message: {} })
    })
  )

  it.scoped("sends keepalives while nothing happens", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const events = yield* startProcess(made, shell("sleep 1.5"), { "keepalive-ping-interval": "1" })
      assert.isTrue(events.some(({ message }) => message.event?.keepalive !== undefined))
    })
  )

  it.scoped("ends the stream and the process at the deadline in the header", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const events = yield* startProcess(made, shell("echo before; sleep 86385"), {
        "connect-timeout-ms": "300"
      })
      assert.strictEqual(events[events.length - 1]?.message.error.code, "deadline_exceeded")
      assert.isTrue(events.some(({ message }) => message.event?.data?.stdout !== undefined))
    })
  )

  it.scoped("refuses a deadline that is not whole milliseconds", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { message } = yield* rejection(() => here.commands.run("true", { timeoutMs: 1500.5 }))
      assert.include(message, "connect-timeout-ms must be whole milliseconds, with at most 10 digits")
      const made = yield* create("/v2/sandboxes")
      for (const deadline of ["soon", "-1", "1e3", "12345678901", "0x10"])
        for (const method of ["Start", "Connect"]) {
          const answer = yield* startProcess(made, shell("true"), { "connect-timeout-ms": deadline }, method)
          assert.strictEqual(answer[0]?.message.error.code, "invalid_argument", deadline)
        }
      const none = yield* startProcess(made, shell("true"), { "connect-timeout-ms": "0" })
      assert.strictEqual(none[1]?.message.event.end.status, "exit status 0")
    })
  )

  it.scoped("tells refusals in the stream's last envelope", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const codes = yield* Effect.forEach(
        [
          { process: { cmd: "/no/such/program" } },
          { process: { cmd: "/bin/true", cwd: "/none" } },
          { process: { cmd: "/bin/true", args: ["a\0b"] } },
          { nonsense: true }
        ],
        (body) => Effect.map(startProcess(made, body), ([only]) => only?.message.error.code)
      )
      assert.deepEqual(codes, ["not_found", "invalid_argument", "invalid_argument", "invalid_argument"])
    })
  )

  it.scoped("takes SIGTERM as well as SIGKILL", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const host = yield* EmbeddedHost
      const handle = yield* Effect.promise(() =>
        here.commands.run("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done", {
          background: true
        })
      )
      const where = yield* connection
      assert.strictEqual(where.apiUrl, host.url)
      const send = (signal: string | number) =>
        request("/process.Process/SendSignal", {
          method: "POST",
          headers: { "content-type": "application/json", ...accessTo(here) },
          body: JSON.stringify({ process: { pid: handle.pid }, signal })
        })
      for (const none of ["SIGNAL_SIGINT", "constructor", "__proto__", "", 2, 15.5]) {
        const refused = yield* send(none)
        assert.strictEqual(refused.status, 400, String(none))
        assert.include(refused.text, "signal must be SIGNAL_SIGKILL or SIGNAL_SIGTERM")
      }
      assert.strictEqual((yield* send("SIGNAL_SIGTERM")).status, 200)
      const ended = yield* Effect.promise(() => handle.wait().catch((error: unknown) => error))
      assert.propertyVal(ended, "exitCode", 7)
    })
  )

  it.scoped("serves signed file URLs, which name no sandbox", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* Effect.promise(() => here.files.write("signed.txt", "seen"))
      const url = yield* Effect.promise(() => here.downloadUrl("signed.txt", { useSignatureExpiration: 60 }))
      const answer = yield* Effect.promise(() => fetch(url))
      assert.strictEqual(yield* Effect.promise(() => answer.text()), "seen")
      const forged = yield* Effect.promise(() => fetch(url.replace("signed.txt", "other.txt")))
      assert.strictEqual(forged.status, 401)
      yield* Effect.promise(() => forged.text())
    })
  )

  it.scoped("a reader that stalls holds the program back, not the host's memory", () =>
    Effect.gen(function* () {
      const made = yield* create("/v2/sandboxes")
      const host = yield* EmbeddedHost
      const before = process.memoryUsage().rss
      const abort = new AbortController()
      const response = yield* Effect.promise(() =>
        fetch(`${host.url}/process.Process/Start`, {
          method: "POST",
          headers: { "content-type": "application/connect+json", ...envdHeaders(made) },
          body: envelope(shell("exec cat /dev/zero")),
          signal: abort.signal
        })
      )
      assert.strictEqual(response.status, 200)
      yield* Effect.sleep("1 second")
      abort.abort()
      assert.isBelow(process.memoryUsage().rss - before, 64 * 1024 * 1024)
    })
  )

  it.scoped("a full home answers 507", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      assert.notStrictEqual((yield* run(here, "head -c 2000000000 /dev/zero > fill; echo $?")).stdout, "0\n")
      const error = yield* Effect.promise(() =>
        here.files.write("more.txt", "x".repeat(100_000)).then(
          () => undefined,
          (failure: Error) => failure
        )
      )
      assert.strictEqual(error?.name, "NotEnoughSpaceError")
    }).pipe(Effect.scoped)
  )
})
