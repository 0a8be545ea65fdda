// The first process of the image, and each of its services: init.mjs [SERVICE [FILE]]. A service that is ready says so
// with a file in /run, in which its port is.
import { spawn } from "node:child_process"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"

const path = "/usr/local/bin:/usr/bin:/bin"

/** What a caller writes, a root shell reads. */
const shellFor = (caller) => {
  const shell = spawn("/bin/sh", { stdio: ["pipe", "ignore", "ignore"], env: { PATH: path } })
  caller.on("error", () => {})
  shell.stdin.on("error", () => {})
  caller.pipe(shell.stdin)
}

const serve = (name, address, take) => {
  const server = createServer(take)
  server.listen(address, () => writeFileSync(`/run/${name}`, String(server.address()?.port ?? "")))
}

const local = { host: "127.0.0.1", port: 0 }

/** Runs something again and again, as a timer does. */
const repeat = (name, id, command, ...words) => {
  const how = { uid: id, gid: id, stdio: "ignore", env: { PATH: path, HOME: "/root" } }
  writeFileSync(`/run/${name}`, "")
  setInterval(() => spawn(command, words, how), 100)
}

const services = {
  // As sshd with PermitEmptyPasswords does.
  login: () =>
    serve("login", local, (caller) =>
      /^root::/m.test(readFileSync("/etc/shadow", "utf8")) ? shellFor(caller) : caller.destroy()
    ),
  shell: () => serve("shell-port", local, shellFor),
  door: () => serve("door-port", { path: "/srv/door/shell", writableAll: true }, shellFor),
  // A name without a file, at which whoever is there may call.
  abstract: () => serve("abstract-port", { path: "\0bulkhead-image" }, shellFor),
  timer: () => repeat("timer", 0, "/bin/sh", "-c", "tick"),
  profile: () => repeat("profile", 0, "/bin/bash", "-l", "-c", "true"),
  job: () => repeat("job", 0, "/bin/sh", "/srv/job/run"),
  // What the user wants to be run, as cron does.
  cron: () => repeat("cron", 1000, "/bin/sh", "/home/user/cron")
}

const isReady = (file) => statSync(file, { throwIfNoEntry: false }) !== undefined

const runAsInit = () => {
  for (const name of Object.keys(services)) {
    spawn("/opt/node", ["/opt/init.mjs", name, ...(name === "job" ? ["/srv/job/run"] : [])], {
      stdio: "ignore"
    })
  }
  const { OWN_PLACE: own } = process.env
  if (own !== undefined) spawn("/opt/node", ["-e", "setInterval(() => 0, 1000)", own], { stdio: "ignore" })
  // The socket of a service that is started for its callers.
  serve("first", local, shellFor)
  const files = [
    "login",
    "shell-port",
    "door-port",
    "abstract-port",
    "timer",
    "profile",
    "job",
    "cron",
    "first"
  ]
  const waiting = setInterval(() => {
    if (!files.every((file) => isReady(`/run/${file}`))) return
    clearInterval(waiting)
    // The provider's daemon, whose child the command is, and its standard error a pipe.
    const relay = "mkfifo /run/voice; cat /run/voice >&2 &"
    const run = `PATH=$1; ${relay} /bin/bash -l -c "$LINE" 2>/run/voice; code=$?; wait; exit $code`
    const daemon = spawn("/bin/bash", ["-c", run, "envd", path], { stdio: ["ignore", "inherit", "inherit"] })
    daemon.on("exit", (code) => process.exit(code ?? 255))
  }, 10)
}

const [, , name] = process.argv
if (name === undefined) runAsInit()
else services[name]()
