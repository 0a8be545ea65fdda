/** Calls that fetch from the network, by their full names. */
export const fetches = {
  python: [
    "requests.*",
    "urllib.request.*",
    "urllib.urlopen",
    "urllib2.*",
    "urllib3.*",
    "httpx.*",
    "aiohttp.*",
    "http.client.*",
    "socket.*connect*",
    "socket.socket().recv*"
  ],
  javascript: [
    "fetch",
    "http.*",
    "https.*",
    "axios",
    "axios.*",
    "got",
    "got.*",
    "undici.*",
    "net.*",
    "node-fetch"
  ],
  bash: ["curl", "wget", "fetch", "aria2c", "lynx"]
} as const

/** Calls that read a file. */
export const reads = {
  python: [
    "open",
    "io.open",
    "os.open",
    "codecs.open",
    "pathlib.Path",
    "pathlib.Path().*",
    "shutil.copy*",
    "linecache.getlines"
  ],
  javascript: ["fs.readFile*", "fs.createReadStream", "fs.open*", "fs.copyFile*", "fs/promises.readFile"],
  bash: [
    "cat",
    "cp",
    "scp",
    "tar",
    "head",
    "tail",
    "less",
    "grep",
    "base64",
    "xxd",
    "dd",
    "read-from",
    "curl",
    "zip",
    "rsync",
    "strings",
    "tac",
    "nl"
  ]
} as const

/** Calls that write a file. */
export const writes = {
  python: [
    "open",
    "io.open",
    "pathlib.Path",
    "pathlib.Path().*",
    "shutil.copy*",
    "shutil.move",
    "os.symlink",
    "os.rename"
  ],
  javascript: [
    "fs.writeFile*",
    "fs.appendFile*",
    "fs.createWriteStream",
    "fs/promises.writeFile",
    "fs/promises.appendFile",
    "fs.symlink*",
    "fs.copyFile*"
  ],
  bash: ["write-to", "tee", "cp", "mv", "ln", "install", "dd"]
} as const
