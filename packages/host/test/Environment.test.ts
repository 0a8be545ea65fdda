import { existsSync, symlinkSync, unlinkSync } from "node:fs"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { python, run, sandbox } from "./Fixtures.js"
import { unprivileged } from "./HostBundle.js"

const isRoot = process.getuid?.() === 0

const hosts: ReadonlyArray<readonly [what: string, host: Layer.Layer<EmbeddedHost, unknown>]> = [
  ["A sandbox", EmbeddedHost.layer({ cpuPercent: 50 })],
  ...(isRoot ? [["A sandbox of a host that is not root", unprivileged] as const] : [])
]

const hasTool = (name: string) =>
  ["/usr/bin", "/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${name}`))

/** What programs of the system do with their configuration: a command, and what its output must be like. */
const programs: ReadonlyArray<readonly [tool: string, command: string, output: RegExp]> = [
  [
    "openssl",
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=x 2>/dev/null; head -1 c.pem",
    /BEGIN CERTIFICATE/
  ],
  ["java", "java -XshowSettings:security -version 2>&1", /Security provider static configuration/],
  ["getent", "getent services http && getent protocols tcp", /http\s+80\/tcp[\s\S]*tcp\s+6/],
  ["fc-list", "fc-list 2>&1; fc-match", /\S/],
  ["lscpu", "lscpu", /On-line CPU\(s\) list/],
  ["vim", "vim --version", /VIM/]
]

for (const [what, host] of hosts)
  layer(host, { excludeTestServices: true, timeout: "60 seconds" })(what, (it) => {
    for (const [tool, command, output] of programs.filter(([tool]) => hasTool(tool)))
      it.scoped(`has what ${tool} reads`, () =>
        Effect.gen(function* () {
          const here = yield* sandbox()
          const { exitCode, stderr, stdout } = yield* run(here, command)
          assert.strictEqual(exitCode, 0, stderr)
          assert.match(stdout, output)
        })
      )

    it.scoped("has every certificate that the machine trusts", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { stdout } = yield* python(
          here,
          "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
        )
        assert.strictEqual(Number(stdout) > 0, existsSync("/etc/ssl/certs/ca-certificates.crt"))
      })
    )

    it.scoped("has what each link of /usr into /etc leads to, but for what is no program's business", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const links = "find /usr -xdev -type l -lname '/etc/*' -xtype l -printf '%l\\n' | sort -u"
        const { stdout } = yield* run(here, links)
        const broken = stdout.split("\n").filter((target) => target !== "" && existsSync(target))
        assert.deepStrictEqual(
          broken.filter((target) => !/^\/etc\/(ssl\/private|environment)$/.test(target)),
          []
        )
      })
    )

    it.scoped("has nobody's passwords, keys, addresses and names in its /etc", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { stdout } = yield* run(
          here,
          "find /etc; find /etc -type f -exec cat {} + 2>/dev/null | grep -c 'PRIVATE KEY'"
        )
        for (const secret of [
          "shadow",
          "ssh",
          "private",
          "machine-id",
          "npmrc",
          "pip.conf",
          "environment",
          "resolv.conf"
        ])
          assert.notMatch(stdout, new RegExp(`^/etc/(.*/)?${secret.replace(".", "\\.")}$`, "m"))
        assert.match(stdout, /^0$/m)
      })
    )

    it.scoped("has no settings and no sources of this machine in its /usr", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const places = "/usr/etc /usr/local/etc /usr/src /usr/local/src"
        const { stdout } = yield* run(
          here,
          `find ${places} -mindepth 1; cat /usr/pip.conf /usr/local/pip.conf`
        )
        assert.strictEqual(stdout, "")
      })
    )

    it.scoped("does not wait long for a network that is not there", () =>
      Effect.gen(function* () {
        const here = yield* sandbox()
        const { exitCode, stderr } = yield* run(
          here,
          `echo '{"dependencies":{"left-pad":"1"}}' > package.json; timeout 20 npm install`
        )
        assert.notInclude([0, 124, 127], exitCode)
        assert.match(stderr, /network|EAI_AGAIN|ENOTFOUND|ECONNREFUSED/)
      })
    )
  })

layer(EmbeddedHost.layer({ cpuPercent: 50 }), { excludeTestServices: true })("A sandbox", (it) => {
  it.scoped("says by /sys how many processors it has", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { stdout } = yield* python(here, "import os; print(os.cpu_count(), len(os.sched_getaffinity(0)))")
      const [count, allowed] = stdout.trimEnd().split(" ")
      assert.strictEqual(count, allowed)
    })
  )

  it.scoped("has the alternatives that there are when it starts", () =>
    Effect.gen(function* () {
      const link = "/etc/alternatives/bulkhead-test"
      if (!isRoot || !existsSync("/etc/alternatives")) return
      yield* Effect.acquireRelease(
        Effect.sync(() => symlinkSync("/usr/bin/env", link)),
        () => Effect.sync(() => unlinkSync(link))
      )
      const here = yield* sandbox()
      assert.strictEqual((yield* run(here, `readlink ${link}`)).stdout, "/usr/bin/env\n")
    })
  )
})
