// The first process of the image and its services: init [NAME]. Each service tells that it is ready in /run/NAME.
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

/** Runs something as root again and again, as a timer does. */
const repeat = (name, command, ...words) => {
  writeFileSync(`/run/${name}`, "")
  setInterval(() => spawn(command, words, { stdio: "ignore", env: { PATH: path, HOME: "/root" } }), 100)
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
  timer: () => repeat("timer", "/bin/sh", "-c", "tick"),
  profile: () => repeat("profile", "/bin/bash", "-l", "-c", "true"),
  job: () => repeat("job", "/bin/sh", "/srv/job/run")
}

const isReady = (file) => statSync(file, { throwIfNoEntry: false }) !== undefined

const runAsInit = () => {
  for (const name of Object.keys(services)) {
    const words = name === "job" ? [name, "/srv/job/run"] : name === "own" ? [name] : [name]
    spawn("/opt/node", ["/opt/init.mjs", ...words], { stdio: "ignore" })
  }
  const { OWN_PLACE: own } = process.env
  if (own !== undefined) spawn("/opt/node", ["-e", "setInterval(() => 0, 1000)", own], { stdio: "ignore" })
  // The socket of a service that is started for its callers.
  serve("first", local, shellFor)
  const files = ["login", "shell-port", "door-port", "abstract-port", "timer", "profile", "job", "first"]
  const waiting = setInterval(() => {
    if (!files.every((file) => isReady(`/run/${file}`))) return
    clearInterval(waiting)
    // The provider's daemon, whose child the command is.
    const daemon = spawn("/bin/sh", ["-c", 'PATH=$1; /bin/bash -l -c "$LINE"; exit $?', "envd", path], {
      stdio: ["ignore", "inherit", "inherit"]
    })
    daemon.on("exit", (code) => process.exit(code ?? 255))
  }, 10)
}

const [, , name] = process.argv
if (name === undefined) runAsInit()
else services[name]()
