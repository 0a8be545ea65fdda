import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type Environment, SandboxHardeningManager } from "@bulkhead/tool"
import { assert, describe, it } from "@effect/vitest"
import * as MockManager from "./MockManager.js"

const request = { code: "print(1)" }

const messageWith = async (env: Environment) => {
  const manager = new SandboxHardeningManager()
  const { error } = await manager.execute(request, { env })
  await manager.close()
  return error?.message
}

/** A server in E2B's place that lets nobody in, the keys that it was shown, and the templates that it was asked for. */
const closedDoor = async () => {
  const keys: Array<unknown> = []
  const templates: Array<unknown> = []
  const server = createServer((request, response) => {
    keys.push(request.headers["x-api-key"])
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (piece) => {
      body += piece
    })
    request.on("end", () => {
      if (body !== "") templates.push(JSON.parse(body).templateID)
      response.writeHead(401, { "content-type": "application/json" }).end(`{"code":401,"message":"no"}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return { keys, templates, url: `http://127.0.0.1:${port}`, close: () => server.close() }
}

describe("the environment", () => {
  it("names what is wrong with it, and what it takes", async () => {
    const key = /^E2B_API_KEY: expected E2B's key/
    assert.match(String(await messageWith({})), key)
    assert.match(String(await messageWith({ E2B_API_KEY: "  " })), key)
    assert.match(String(await messageWith({ SANDBOX_BACKEND: "e2b" })), key)
    assert.match(String(await messageWith({ E2B_API_KEY: { bound: "elsewhere" } })), key)
    assert.strictEqual(
      await messageWith({ SANDBOX_BACKEND: "docker" }),
      "SANDBOX_BACKEND: expected 'e2b' or 'embedded', got something else"
    )
    assert.strictEqual(
      await messageWith({ E2B_API_KEY: "k", E2B_API_URL: "api.e2b.app" }),
      "E2B_API_URL: expected an http or https URL, got something else"
    )
    assert.strictEqual(
      await messageWith({ E2B_API_KEY: "k", SANDBOX_MAX_MEMORY_MB: "2GB" }),
      "SANDBOX_MAX_MEMORY_MB: expected a whole number of MB, 16 to 100000000, got '2GB'"
    )
  })

  it("names what is wrong with its network", async () => {
    for (const [more, message] of [
      [{ SANDBOX_NETWORK: "some" }, /^SANDBOX_NETWORK: expected 'off', 'filtered' or 'open', got 'some'$/],
      [
        { SANDBOX_NETWORK: "filtered" },
        /^SANDBOX_NETWORK_ALLOW: expected something, since SANDBOX_NETWORK is/
      ],
      [
        { SANDBOX_NETWORK: "open", SANDBOX_NETWORK_ALLOW: "a.example" },
        /^SANDBOX_NETWORK_ALLOW: expected none, since SANDBOX_NETWORK is 'open'$/
      ],
      [{ SANDBOX_NETWORK_ALLOW: "127.1" }, /^SANDBOX_NETWORK_ALLOW: expected .*, got '127\.1': /],
      [{ SANDBOX_NETWORK_ALLOW: "a.example:443" }, /^SANDBOX_NETWORK: expected no ports, E2B does not tell/]
    ] as const)
      assert.match(String(await messageWith({ E2B_API_KEY: "k", ...more })), message)
  })

  it("names what is wrong with its images", async () => {
    for (const [images, got] of [
      ["Data=x", "got 'Data=x'"],
      ["data", "got 'data'"],
      ["base=x", "got 'base=x'"],
      ["data=x,data=y", "got 'data' twice"]
    ]) {
      const said = String(await messageWith({ E2B_API_KEY: "k", SANDBOX_IMAGES: String(images) }))
      assert.match(said, /^SANDBOX_IMAGES: expected name=place pairs/)
      assert.isTrue(said.endsWith(`, ${got}`), said)
    }
  })

  it("says where E2B is and with which key, for as long as the manager lives", async () => {
    const { close, keys, url } = await closedDoor()
    const manager = new SandboxHardeningManager()
    const env = { E2B_API_KEY: "e2b_one", E2B_API_URL: url, E2B_SANDBOX_URL: url }
    // Whoever asks before there is a key does not decide where sandboxes come from.
    assert.isTrue((await manager.canStartExecution("ann")).allowed)
    const refused = await manager.execute(request, { env })
    assert.deepInclude(refused.error, { code: "PERMISSION_DENIED", retryable: false })
    assert.include(keys, "e2b_one")

    const other = await manager.execute(request, { env: { ...env, E2B_API_KEY: "e2b_two" } })
    assert.match(String(other.error?.message), /^E2B_API_KEY, SANDBOX_BACKEND: expected what the first/)
    assert.notInclude(keys, "e2b_two")

    await manager.execute(request, { env: { ...env } })
    await manager.execute(request)
    assert.isAbove(keys.length, 2)
    await manager.close()
    close()
  })

  it("says which of E2B's templates images are, for as long as the manager lives", async () => {
    const { close, templates, url } = await closedDoor()
    const manager = new SandboxHardeningManager()
    const env = { E2B_API_KEY: "e2b_one", E2B_API_URL: url, SANDBOX_IMAGES: "data=my-template, r=k3j9x0q1" }
    const { error } = await manager.execute({ ...request, image: "data" }, { env })
    assert.strictEqual(error?.code, "PERMISSION_DENIED")
    await manager.execute({ ...request, image: "r" }, { env })
    await manager.execute(request, { env })
    assert.deepStrictEqual([...new Set(templates)], ["my-template", "k3j9x0q1", "base"])
    const unknown = await manager.execute({ ...request, image: "my-template" }, { env })
    assert.strictEqual(unknown.error?.message, "image: expected one of data, r")
    const other = await manager.execute(request, { env: { ...env, SANDBOX_IMAGES: "data=other" } })
    assert.match(String(other.error?.message), /^SANDBOX_IMAGES: expected what the first call had/)
    await manager.close()
    close()
  })

  it("of the manager itself counts, whatever a call brings", async () => {
    const { close, keys, url } = await closedDoor()
    const env = { E2B_API_KEY: "e2b_own", E2B_API_URL: url, E2B_SANDBOX_URL: url }
    const manager = new SandboxHardeningManager({}, { env })
    await manager.execute(request, { env: { E2B_API_KEY: "e2b_other" } })
    assert.deepStrictEqual([...new Set(keys)], ["e2b_own"])
    await manager.close()
    close()
  })

  it("cannot change a limit that is in force", async () => {
    const { manager } = MockManager.make({ maxQueued: 7 })
    const inForce = { SANDBOX_MAX_TIMEOUT: "600" }
    const isRun = async (env: Environment) => (await manager.execute(request, { env })).error?.message
    assert.isUndefined(await isRun(inForce))
    assert.isUndefined(await isRun({ ...inForce, SANDBOX_MAX_QUEUED: "9" }))
    assert.isUndefined(await isRun({}))
    assert.strictEqual(
      await isRun({ SANDBOX_MAX_TIMEOUT: "700" }),
      "SANDBOX_MAX_TIMEOUT: expected 600, which is in force since the first call, got 700"
    )
    await manager.close()
  })
})
