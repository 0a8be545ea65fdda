import { FileSystem, Path } from "@effect/platform"
import { Effect, Option } from "effect"
import { homes } from "./GuestUser.js"

/** The host name of every sandbox. */
export const HOSTNAME = "sandbox"

const files: Record<string, string> = {
  passwd: [
    `root:x:0:0:root:${homes.root}:/bin/bash`,
    `user:x:1000:1000:user:${homes.user}:/bin/bash`,
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
  ].join("\n"),
  group: ["root:x:0:", "user:x:1000:", "nogroup:x:65534:"].join("\n"),
  hosts: `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost`,
  hostname: HOSTNAME,
  "nsswitch.conf": ["passwd", "group", "hosts", "services", "protocols", "rpc", "ethers", "networks"]
    .map((database) => `${database}: files`)
    .join("\n"),
  shells: "/bin/sh\n/bin/bash"
}

/**
 * What of this machine's own /etc a sandbox has too: what programs of /usr read, and what is written for everybody. An
 * administrator's settings, which may hold names, addresses and passwords, are not among it. `*` stands for any end.
 */
const shown = [
  ...[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "os-release",
    "debian_version",
    "lsb-release",
    "redhat-release"
  ],
  // Certificates, without keys.
  ...["ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates.conf", "crypto-policies"],
  ...["pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted", "pki/java"],
  // Names of the network.
  ...["services", "protocols", "rpc", "ethertypes", "gai.conf", "host.conf"],
  // Kinds of files, text, and time.
  ...[
    "mime.types",
    "mailcap",
    "magic",
    "magic.mime",
    "localtime",
    "timezone",
    "locale.alias",
    "terminfo",
    "inputrc"
  ],
  ...["sgml", "xml", "groff", "papersize", "dictionaries-common"],
  // What draws.
  ...[
    "fonts",
    "matplotlibrc",
    "ImageMagick-*",
    "ghostscript",
    "texmf",
    "X11/rgb.txt",
    "X11/app-defaults",
    "glvnd"
  ],
  ...["gtk-2.0", "gtk-3.0", "OpenCL"],
  // Languages.
  ...["java*", "python*", "perl", "maven/m2.conf", "maven/logging", "octave*", "lua", "gdb", "vim"],
  ...["R/Renviron", "R/Makeconf", "R/ldpaths", "R/javaconf", "R/repositories"]
]

const READ_BY_OTHERS = 0o004
/** Of one file: it lies in memory. */
const MOST_BYTES = 4 * 1_048_576

const atOnce = { concurrency: 4, discard: true } as const

const namesFor = Effect.fn("GuestEtc.namesFor")(function* (pattern: string) {
  const fs = yield* FileSystem.FileSystem
  if (!pattern.endsWith("*")) return [pattern]
  const names = yield* fs.readDirectory("/etc")
  return names.filter((name) => name.startsWith(pattern.slice(0, -1)))
})

/** Copies a link as a link, and of files and directories what everybody may read. */
const copy: (from: string, to: string) => Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =
  Effect.fnUntraced(function* (from, to) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const target = yield* Effect.option(fs.readLink(from))
    if (Option.isSome(target)) return yield* fs.symlink(target.value, to)
    const { mode, size, type } = yield* fs.stat(from)
    if ((mode & READ_BY_OTHERS) === 0 || size > MOST_BYTES) return
    if (type === "File") return yield* fs.copyFile(from, to)
    if (type !== "Directory") return
    yield* fs.makeDirectory(to, { mode: 0o755 })
    const names = yield* fs.readDirectory(from)
    yield* Effect.forEach(names, (name) => copy(path.join(from, name), path.join(to, name)), {
      discard: true
    })
    // One file more or less must not keep a host from starting.
  }, Effect.ignore)

/** Where sandboxes find which of several programs a name stands for. It may change while the host runs. */
export const ALTERNATIVES = "/etc/alternatives"

/**
 * What of an image's own /etc a sandbox does not have: what is the sandbox's, what only a login or a start of the
 * system reads, and what would lead programs to accounts that there are not.
 */
const ofNoUse = new Set([
  ...[...Object.keys(files), "alternatives", "resolv.conf", "mtab", "machine-id", "fstab", "motd", "issue"],
  ...["profile", "profile.d", "bash.bashrc", "environment", "skel", "login.defs", "securetty"],
  ...["shadow", "shadow-", "gshadow", "gshadow-", "passwd-", "group-", "subuid", "subgid", "sudoers"],
  ...["sudoers.d", "pam.d", "pam.conf", "security", "ssh", "apt", "dpkg", "default", "init.d", "systemd"],
  ...["rc0.d", "rc1.d", "rc2.d", "rc3.d", "rc4.d", "rc5.d", "rc6.d", "rcS.d", "cron.d", "cron.daily"]
])

/** Of this machine's /etc a sandbox has what is named, of an image's all but what is of no use to it. */
const namesOf = Effect.fnUntraced(function* (systemRoot: string) {
  if (systemRoot === "") return (yield* Effect.forEach(shown, namesFor)).flat()
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(`${systemRoot}/etc`), () => [])
  return names.filter((name) => !ofNoUse.has(name))
})

/**
 * Writes the /etc of every sandbox that is made from the system with this root; the empty path is this machine's. It
 * holds no accounts, names or secrets of the host.
 */
export const write = Effect.fn("GuestEtc.write")(function* (directory: string, systemRoot: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { mode: 0o755 })
  yield* Effect.forEach(Object.entries(files), ([name, text]) =>
    fs.writeFileString(path.join(directory, name), `${text}\n`, { mode: 0o644 })
  )
  // A place to show this machine's own at.
  yield* fs.makeDirectory(path.join(directory, path.basename(ALTERNATIVES)), { mode: 0o755 })
  const names = yield* namesOf(systemRoot)
  yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (name) {
      const to = path.join(directory, name)
      yield* fs.makeDirectory(path.dirname(to), { recursive: true, mode: 0o755 })
      yield* copy(`${systemRoot}/etc/${name}`, to)
    }),
    atOnce
  )
})
