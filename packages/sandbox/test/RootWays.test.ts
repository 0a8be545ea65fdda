import { GuestProgram, SandboxService } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { service } from "./Fixture.js"
import * as TestImage from "./TestImage.js"

const installed = GuestProgram.Installed({ user: "root", place: TestImage.place })

const execute = (code: string, image: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(SandboxService, (sandboxes) =>
    sandboxes.execute({ code, language: "bash", timeout: 10 })
  ).pipe(
    Effect.provide(service({ supervisor: () => TestImage.running(image) }, { killGracePeriod: 1 }, installed))
  )

const forge = "/opt/node /opt/forge.mjs"

/** Calls a root shell that listens at an address, as Node understands it. */
const call = (address: string) =>
  `/opt/node -e 'const c = require("net").connect(${address}); c.on("error", () => {}); c.on("connect", () => c.write("${forge}\\n"))' & sleep 1`

const port = (name: string) =>
  `{ host: "127.0.0.1", port: Number(require("fs").readFileSync("/run/${name}")) }`

/** Each ends with code 3, unless somebody else has the last word. */
const programs: Readonly<Record<string, string>> = {
  "logs in as root, who has no password": call(port("login")),
  "calls a root shell on loopback": call(port("shell-port")),
  "calls the socket that process 1 keeps for a service": call(port("first")),
  "calls a root shell at a file": call(`"/srv/door/shell"`),
  "calls a root shell at an abstract name": call(`"\\0bulkhead-image"`),
  "asks sudo, which wants no password": `sudo -p -c '${forge}' || true`,
  "asks sudo from a job of its own, outside of no_new_privs": `echo "sudo -p -c '${forge}'" > cron; sleep 1`,
  "puts a program on root's PATH": `echo '${forge}' > /usr/local/bin/tick; chmod 755 /usr/local/bin/tick; sleep 1`,
  "puts another directory in the place of one on root's PATH": `mv /usr/local/bin /usr/local/old; mkdir /usr/local/bin; echo '${forge}' > /usr/local/bin/tick; chmod 755 /usr/local/bin/tick; sleep 1`,
  "writes what root's shells read first": `echo '${forge}' >> /etc/profile.d/own.sh; sleep 1`,
  "writes the script of a service": `echo '${forge}' > /srv/job/run; sleep 1`
}

describe.skipIf(!TestImage.isPossible)("in an image with ways to root, a program that", () => {
  for (const [name, code] of Object.entries(programs)) {
    it.live(
      `${name} cannot report for its supervisor`,
      () =>
        Effect.gen(function* () {
          const result = yield* execute(`{ ${code}; } 2>/dev/null; exit 3`)
          assert.notInclude(result.stderr, "forged as root")
          assert.deepInclude(result, { verdict: "NonZeroExit", exitCode: 3 }, JSON.stringify(result))
          assert.strictEqual(result.receipt?.enforcement.supervisor, "no known way to it")
        }),
      30_000
    )
  }

  it.live("reads the passwords finds none that is empty", () =>
    Effect.gen(function* () {
      const { stdout } = yield* execute("cut -d: -f1,2 /etc/shadow")
      assert.strictEqual(stdout, "root:*\nuser:*\n")
    })
  )

  it.live("has a way that cannot be shut is said to have one", () =>
    Effect.gen(function* () {
      const { receipt, verdict } = yield* execute("true", { OWN_PLACE: "/home/user/own.sh" })
      assert.strictEqual(verdict, "Completed")
      assert.strictEqual(
        receipt?.enforcement.supervisor,
        "within the program's reach: root runs programs that the program can write"
      )
    })
  )
})
