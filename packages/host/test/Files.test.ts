import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { InvalidArgumentError, type Sandbox, TimeoutError } from "e2b"
import { Effect } from "effect"
import { rejection, run, sandbox } from "./Fixtures.js"
import { accessTo, request } from "./RawHttp.js"

const MEGABYTE = 1024 * 1024

/** A part of a multipart body. */
const part = (headers: ReadonlyArray<string>, content: Uint8Array | string) =>
  Buffer.concat([
    Buffer.from(`--cut\r\n${headers.join("\r\n")}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from("\r\n")
  ])

const upload = (
  here: Sandbox,
  query: string,
  body: NonNullable<RequestInit["body"]>,
  contentType = "multipart/form-data; boundary=cut"
) =>
  request(`/files${query}`, {
    method: "POST",
    headers: { ...accessTo(here), "content-type": contentType },
    body,
    duplex: "half"
  } as RequestInit)

/** A body of many bytes that come one piece at a time. */
const manyBytes = (megabytes: number) => {
  let left = megabytes
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (left-- > 0) controller.enqueue(new Uint8Array(MEGABYTE))
      else controller.close()
    }
  })
}

const code = ({ text }: { readonly text: string }) => JSON.parse(text).code

layer(EmbeddedHost.layer(), { excludeTestServices: true })("Files on the wire", (it) => {
  it.scoped("are written whatever their type is said to be", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const json = new Blob(['{"a":1}'], { type: "application/json" })
      yield* Effect.promise(() =>
        here.files.write([
          { path: "a.json", data: json },
          { path: "ä.txt", data: new Blob(["text"], { type: "text/plain" }) }
        ])
      )
      assert.strictEqual((yield* run(here, "cat a.json ä.txt")).stdout, '{"a":1}text')
    })
  )

  it.scoped("are written without a name of their own where the request has one", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x80])
      const body = Buffer.concat([
        part(['content-disposition: form-data; name="note"'], "not a file"),
        part(['content-disposition: form-data; name="file"'], bytes),
        Buffer.from("--cut--\r\n")
      ])
      const answer = yield* upload(here, "?path=bytes", body)
      assert.deepEqual(JSON.parse(answer.text), [{ name: "bytes", path: "/home/user/bytes", type: "file" }])
      assert.deepEqual(
        Buffer.from(yield* Effect.promise(() => here.files.read("bytes", { format: "bytes" }))),
        bytes
      )
      assert.strictEqual((yield* upload(here, "", body)).status, 400)
    })
  )

  it.scoped("have names in whatever script", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const names = ["分析/结果📊.csv", "Прайс.csv", "it's 50%.csv", "a%22b", "a\\b"]
      const files = names.map((path) => ({ path, data: path }))
      yield* Effect.promise(() => here.files.write(files))
      for (const name of names) assert.strictEqual(yield* Effect.promise(() => here.files.read(name)), name)
    })
  )

  it.scoped("have their names in forms as Go reads them", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const file = (name: string) =>
        part([`content-disposition: form-data; name="file"; filename="${name}"`], name)
      const read = {
        "a\\\\b": "a\\b",
        '\\"\\\\\\\\c': '"\\\\c',
        "end\\\\": "end\\",
        "a%22b": "a%22b",
        "a\\b\\(c": "a\\b(c"
      }
      const body = Buffer.concat([...Object.keys(read).map(file), Buffer.from("--cut--\r\n")])
      const written = JSON.parse((yield* upload(here, "", body)).text) as ReadonlyArray<{ name: string }>
      assert.deepEqual(
        written.map(({ name }) => name),
        Object.values(read)
      )
      const unended = Buffer.concat([file("end\\"), Buffer.from("--cut--\r\n")])
      assert.strictEqual((yield* upload(here, "", unended)).status, 400)
    })
  )

  it.scoped("are listed by the ten thousands", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* run(here, "mkdir many && cd many && seq 1 50000 | xargs touch")
      const listed = yield* Effect.promise(() => here.files.list("many"))
      assert.strictEqual(new Set(listed.map(({ name }) => name)).size, 50_000)
      yield* run(
        here,
        "cd many && for i in $(seq 1 20); do d=$(printf '%0200d' $i); mkdir -p $d/$d/$d && touch $d/$d/$d/a; done"
      )
      yield* run(
        here,
        "cd many && for d in 0*; do (cd $d/$d/$d && seq 1 1000 | sed s/^/$d/ | xargs touch); done"
      )
      const error = yield* rejection(() => here.files.list("many", { depth: 9 }))
      assert.instanceOf(error, InvalidArgumentError)
      assert.include(error.message, "the listing is larger than 16 MiB: list less at once")
    })
  )

  it.scoped("are not said to be none where their directory cannot be read", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* run(
        here,
        "mkdir -p none/below shut names && touch shut/a names/a && chmod 0 shut && chmod 444 names"
      )
      for (const directory of ["shut", "names"]) {
        const { message } = yield* rejection(() => here.files.list(directory))
        assert.include(message, `permission_denied] path '/home/user/${directory}': Permission denied`)
      }
      yield* run(here, "chmod 0 none/below")
      const listed = yield* Effect.promise(() => here.files.list("none", { depth: 2 }))
      assert.deepStrictEqual(
        listed.map(({ name }) => name),
        ["below"]
      )
    })
  )

  it.scoped("are not written over each other by one request", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const file = (content: string) =>
        part(['content-disposition: form-data; name="file"; filename="one"'], content)
      const answer = yield* upload(
        here,
        "",
        Buffer.concat([file("first"), file("second"), Buffer.from("--cut--\r\n")])
      )
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(yield* Effect.promise(() => here.files.read("one")), "first")
    })
  )

  it.scoped("are taken as forms and as plain bytes, and as nothing else", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const form = Buffer.concat([
        part(['content-disposition: form-data; name="file"'], "seen"),
        Buffer.from("--cut--\r\n")
      ])
      for (const [type, body] of [
        ["Multipart/Mixed; boundary=cut", form],
        ["Application/Octet-Stream; charset=binary", "seen"]
      ] as const) {
        assert.strictEqual((yield* upload(here, "?path=taken", body, type)).status, 200)
        assert.strictEqual(yield* Effect.promise(() => here.files.read("taken")), "seen")
      }
      for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/octet-streams"]) {
        const refused = yield* upload(here, "?path=refused", "unseen", type)
        assert.strictEqual(refused.status, 400, type)
        assert.include(refused.text, "content-type must be multipart/form-data or application/octet-stream")
      }
      assert.isFalse(yield* Effect.promise(() => here.files.exists("refused")))
    })
  )

  it.scoped("are refused where their body is not whole multipart", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const file = part(['content-disposition: form-data; name="file"; filename="cut"'], "content")
      for (const [body, contentType, message] of [
        [file, "multipart/form-data; boundary=cut", "ends before its last boundary"],
        ["--cut\r\ncontent-dispo", "multipart/form-data; boundary=cut", "ends before its last boundary"],
        ["", "multipart/form-data; boundary=cut", "ends before its last boundary"],
        [file, "multipart/form-data", "no boundary"],
        ["--cut\r\na b: c\r\n\r\n--cut--\r\n", "multipart/form-data; boundary=cut", "malformed"],
        [part(["content-disposition: form-data"], "x"), "multipart/form-data; boundary=cut", "no name"]
      ] as const) {
        const answer = yield* upload(here, "", body, contentType)
        assert.strictEqual(answer.status, 400, message)
        assert.strictEqual(code(answer), 400)
        assert.include(answer.text, message)
      }
      assert.strictEqual((yield* run(here, "echo well")).stdout, "well\n")
    })
  )

  it.scoped("say why they cannot be written while the client still sends", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const octets = "application/octet-stream"
      const statusOf = (query: string) =>
        Effect.map(upload(here, query, manyBytes(24), octets), (answer) => [answer.status, code(answer)])
      assert.deepEqual(yield* statusOf(""), [400, 400])
      assert.deepEqual(yield* statusOf("?path=/tmp"), [400, 400])
      assert.deepEqual(yield* statusOf("?path=/etc/new"), [403, 403])
      assert.deepEqual(yield* statusOf("?path=new&username=nobody"), [401, 401])
      yield* run(here, "head -c 2000000000 /dev/zero > fill")
      assert.deepEqual(yield* statusOf("?path=new"), [507, 507])
      const error = yield* rejection(() =>
        here.files.write("/tmp", new Blob([new Uint8Array(24 * MEGABYTE)]), { useOctetStream: true })
      )
      assert.instanceOf(error, InvalidArgumentError)
    })
  )

  it.scoped("that do not arrive whole leave the host well", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const cut = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new Uint8Array(MEGABYTE)),
        pull: (controller) => controller.error(new Error("the client gives up"))
      })
      for (const contentType of ["application/octet-stream", "multipart/form-data; boundary=cut"])
        yield* Effect.exit(upload(here, "?path=cut", cut, contentType))
      const gzip = yield* request("/files?path=not", {
        method: "POST",
        headers: {
          ...accessTo(here),
          "content-type": "application/octet-stream",
          "content-encoding": "gzip"
        },
        body: "this is not gzip"
      })
      assert.strictEqual(gzip.status, 400)
      assert.strictEqual((yield* run(here, "echo well")).stdout, "well\n")
    })
  )

  /** A download of which the first bytes have come. */
  const downloading = (here: Sandbox) =>
    Effect.gen(function* () {
      yield* run(here, "truncate -s 200M large")
      const stream = yield* Effect.promise(() => here.files.read("large", { format: "stream" }))
      const reader = stream.getReader()
      yield* Effect.promise(() => reader.read())
      const rest = async () => {
        let sum = 0
        for (let next = await reader.read(); !next.done; next = await reader.read()) sum += next.value.length
        return sum
      }
      return Effect.timeoutFail(rejection(rest), {
        duration: "10 seconds",
        onTimeout: () => "it never ended"
      })
    })

  it.scoped("end in an error when their sandbox is killed while they are read", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const rest = yield* downloading(here)
      yield* Effect.promise(() => here.kill())
      assert.instanceOf(yield* rest, Error)
      assert.instanceOf(yield* rejection(() => here.files.read("large")), TimeoutError)
    })
  )

  it.scoped("end in an error when they become shorter while they are read", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const rest = yield* downloading(here)
      yield* run(here, "truncate -s 1M large")
      assert.instanceOf(yield* rest, Error)
      assert.strictEqual((yield* run(here, "echo well")).stdout, "well\n")
    })
  )

  it.scoped("have their rights as Go writes them, with what is beside reading, writing and running", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* run(here, "touch a b && chmod 640 a && chmod 6755 b && mkdir d e && chmod 1777 d && ln -s d l")
      const listed = yield* Effect.promise(() => here.files.list("."))
      assert.deepEqual(
        listed.map(({ name, permissions }) => [name, permissions]),
        [
          ["a", "-rw-r-----"],
          ["b", "ugrwxr-xr-x"],
          ["d", "dtrwxrwxrwx"],
          ["e", "drwxr-xr-x"],
          ["l", "Lrwxrwxrwx"]
        ]
      )
    })
  )

  it.scoped("are found in the home where their path is empty", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { files } = here
      yield* Effect.promise(() => files.write("one", "1"))
      const listed = yield* Effect.promise(() => files.list(""))
      assert.deepEqual(
        listed.map(({ path }) => path),
        ["/home/user/one"]
      )
      assert.strictEqual((yield* Effect.promise(() => files.getInfo(""))).path, "/home/user")
      assert.isTrue(yield* Effect.promise(() => files.exists("")))
      assert.isFalse(yield* Effect.promise(() => files.makeDir("")))
      for (const start of [
        () => files.remove(""),
        () => files.rename("", "/tmp/home"),
        () => files.rename("one", ""),
        () => files.read(""),
        () => files.write("", "2", { useOctetStream: true })
      ])
        assert.instanceOf(yield* rejection(start), InvalidArgumentError)
      assert.strictEqual(yield* Effect.promise(() => files.read("one")), "1")
    })
  )

  it.scoped("are read by ranges, as browsers and players ask for them", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* Effect.promise(() => here.files.write("digits", "0123456789"))
      const read = (path: string, headers: Record<string, string>) =>
        request(`/files?path=${path}`, { headers: { ...accessTo(here), ...headers } })
      const whole = yield* read("digits", {})
      assert.strictEqual(whole.headers.get("accept-ranges"), "bytes")
      for (const [range, text, place] of [
        ["bytes=0-0", "0", "bytes 0-0/10"],
        ["bytes=2-5", "2345", "bytes 2-5/10"],
        ["bytes=7-", "789", "bytes 7-9/10"],
        ["bytes=-3", "789", "bytes 7-9/10"],
        ["bytes=5-99", "56789", "bytes 5-9/10"],
        ["bytes=-99", "0123456789", "bytes 0-9/10"]
      ] as const) {
        const part = yield* read("digits", { range })
        assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, text, place])
        assert.strictEqual(part.headers.get("content-length"), String(text.length))
      }
      for (const range of ["bytes=10-", "bytes=10-12", "bytes=-0"]) {
        const none = yield* read("digits", { range })
        assert.deepEqual([none.status, none.headers.get("content-range")], [416, "bytes */10"], range)
        assert.include(JSON.parse(none.text).message, "range must be bytes within the file's 10")
      }
      for (const headers of [
        { range: "bytes=1-2,4-5" },
        { range: "bytes=5-2" },
        { range: "lines=1-2" },
        { range: "bytes=1-2", "if-range": '"another"' }
      ])
        assert.deepInclude(yield* read("digits", headers), { status: 200, text: "0123456789" })
      yield* Effect.promise(() => here.files.write("empty", ""))
      assert.strictEqual((yield* read("empty", { range: "bytes=0-" })).status, 200)
      assert.strictEqual((yield* read("/proc/version", { range: "bytes=0-4" })).status, 200)
      assert.strictEqual((yield* read("none", { range: "bytes=0-4" })).status, 404)
    })
  )

  it.scoped("are read by ranges across the pieces in which they come", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* run(here, "seq -f %09g 0 999999 > lines")
      const lineAt = (line: number, count: number) =>
        Effect.map(
          request("/files?path=lines", {
            headers: { ...accessTo(here), range: `bytes=${line * 10}-${(line + count) * 10 - 1}` }
          }),
          ({ text }) => text
        )
      const lines = yield* lineAt(100_000, 300_000)
      assert.strictEqual(lines.length, 3_000_000)
      assert.isTrue(lines.startsWith("000100000\n000100001\n") && lines.endsWith("000399999\n"))
      assert.strictEqual(yield* lineAt(999_999, 5), "000999999\n")
    })
  )

  it.scoped("keep the metadata that they are written with", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { files } = here
      const metadataOf = (path: string) => Effect.promise(async () => (await files.getInfo(path)).metadata)
      const metadata = { author: "me", "content-kind": "A text, with blanks" }
      const written = yield* Effect.promise(() => files.write("d/one", "1", { metadata }))
      assert.deepEqual(written.metadata, metadata)
      assert.deepEqual(yield* metadataOf("/home/user/d/one"), metadata)
      const [listed] = yield* Effect.promise(() => files.list("d"))
      assert.deepEqual(listed?.metadata, metadata)
      assert.isUndefined(yield* metadataOf("d"))
      const moved = yield* Effect.promise(() => files.rename("~/d", "/tmp/e"))
      assert.isUndefined(moved.metadata)
      assert.deepEqual(yield* metadataOf("/tmp/e/one"), metadata)
      yield* Effect.promise(() =>
        files.write("/tmp/e/one", "1", { metadata: { Other: "x" }, useOctetStream: true })
      )
      assert.deepEqual(yield* metadataOf("/tmp/e/../e/one"), { other: "x" })
      yield* Effect.promise(() => files.write("/tmp/e/one", "1"))
      assert.isUndefined(yield* metadataOf("/tmp/e/one"))
      yield* Effect.promise(() => files.write("/tmp/e/one", "1", { metadata }))
      yield* Effect.promise(() => files.remove("/tmp/e"))
      yield* run(here, "mkdir /tmp/e; touch /tmp/e/one")
      assert.isUndefined(yield* metadataOf("/tmp/e/one"))
    })
  )
})
