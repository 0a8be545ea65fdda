import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { parseTarget } from "@bulkhead/domain"
import { NameUnknown } from "@bulkhead/egress"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect, Either } from "effect"
import { run, sandbox } from "./Fixtures.js"

const names = {
  addressesOf: (name: string) =>
    name.endsWith(".example") ? Effect.succeed(["127.0.0.1"]) : Effect.fail(new NameUnknown())
}
const network = { private: [Either.getOrThrow(parseTarget("127.0.0.1"))], names }

layer(EmbeddedHost.layer({ network }), { excludeTestServices: true })("Egress", (it) => {
  it.scoped("works", () =>
    Effect.gen(function* () {
      const server = createServer((q, s) => s.end(`hello ${q.headers.host} ${q.url}`))
      yield* Effect.async<void>((r) => {
        server.listen(0, "127.0.0.1", () => r(Effect.void))
      })
      const port = (server.address() as AddressInfo).port
      const here = yield* sandbox({ network: { allowOut: [`good.example:${port}`], denyOut: ["0.0.0.0/0"] } })
      for (const c of [
        `curl -sv http://good.example:${port}/x`,
        `curl -svp http://good.example:${port}/x`,
        `curl -sv http://bad.example:${port}/x`,
        `curl -sv https://bad.example:${port}/x`,
        `curl -sv --socks5-hostname 127.0.0.1:3128 http://good.example:${port}/x`,
        "env; ss -ltn; ps aux | head -20"
      ])
        console.log(c, yield* run(here, c))
    })
  )
})
