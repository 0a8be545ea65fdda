import type { Rule } from "../Rule.js"

const kind = "reverse-shell"
const shells = "(^|/)(ba|z|da|a|k|c)?sh$|cmd\\.exe|powershell"

export const reverseShells: ReadonlyArray<Rule> = [
  {
    id: "python-socket-on-standard-streams",
    kind,
    languages: ["python"],
    message: "puts a network connection in the place of the standard streams",
    all: [
      {
        calls: ["os.dup2", "posix.dup2"],
        madeWith: ["*socket.socket*", "*create_connection*", "*.accept"]
      }
    ]
  },
  {
    id: "python-shell-on-duplicate",
    kind,
    languages: ["python"],
    message: "duplicates a network connection, and starts a shell",
    all: [
      { calls: ["os.dup", "posix.dup"], madeWith: ["*socket.socket*", "*create_connection*", "*.accept"] },
      { calls: ["pty.spawn", "subprocess.*", "os.exec*", "os.system"], arguments: [shells] }
    ]
  },
  {
    id: "python-shell-on-socket",
    kind,
    languages: ["python"],
    message: "starts a shell on a network connection",
    all: [
      {
        calls: ["subprocess.*", "pty.spawn", "os.exec*"],
        arguments: [shells],
        madeWith: ["*socket.socket*", "*create_connection*", "*.accept"]
      }
    ]
  },
  {
    id: "python-shell-beside-socket",
    kind,
    languages: ["python"],
    message: "connects out, and starts an interactive shell on duplicated descriptors",
    all: [
      { calls: ["*socket.socket().connect*", "socket.create_connection"] },
      { calls: ["os.dup2"] },
      { calls: ["pty.spawn", "subprocess.*", "os.exec*", "os.system"], arguments: [shells] }
    ]
  },
  {
    id: "python-commands-from-socket",
    kind,
    languages: ["python"],
    message: "runs what a network connection tells it to, as commands",
    all: [
      {
        calls: ["os.system", "os.popen", "subprocess.*", "exec", "eval"],
        madeWith: [
          "*socket.socket*.recv*",
          "*create_connection*.recv*",
          "*.accept*.recv*",
          "*makefile*.read*"
        ]
      }
    ]
  },
  {
    id: "node-shell-piped-to-socket",
    kind,
    languages: ["javascript"],
    message: "pipes a shell into a network connection",
    all: [
      { calls: ["child_process.spawn", "child_process.exec", "child_process.execFile"], arguments: [shells] },
      { calls: ["net.*", "tls.*", "dgram.*", "ws"] },
      { calls: ["*.pipe"], madeWith: ["child_process.*", "net.*", "tls.*"] }
    ]
  },
  {
    id: "node-commands-from-socket",
    kind,
    languages: ["javascript"],
    message: "runs what a network connection tells it to, as commands",
    all: [
      { calls: ["net.connect*", "net.createConnection*", "net.Socket*", "tls.connect*", "ws*"] },
      { calls: ["*.on"], arguments: ["^(data|message)$"], madeWith: ["net.*", "tls.*", "ws"] },
      { calls: ["child_process.exec*", "child_process.spawn*"] }
    ]
  },
  {
    id: "bash-network-device",
    kind,
    languages: ["bash"],
    message: "binds a shell or its descriptors to a network connection",
    all: [
      {
        calls: ["write-to", "read-from"],
        arguments: ["^/dev/(tcp|udp)/", "^(ba|z|da|a|k)?sh$|^exec$"]
      }
    ]
  },
  {
    id: "bash-opens-network-device",
    kind,
    languages: ["bash"],
    message: "opens a descriptor on a network connection and runs what comes from it",
    all: [
      { calls: ["write-to", "read-from"], arguments: ["^/dev/(tcp|udp)/"] },
      { calls: ["sh", "bash", "zsh", "dash", "eval", "read-from", "while", "read"] },
      { calls: ["write-to"], arguments: ["^&?\\d+$|^/dev/fd/\\d"] }
    ]
  },
  {
    id: "bash-netcat-shell",
    kind,
    languages: ["bash"],
    message: "has netcat start a shell",
    all: [
      {
        calls: ["nc", "ncat", "netcat", "nc.traditional"],
        arguments: ["^-\\w*[ec]$|^--(sh-)?exec$", "(^|/)(ba|z|da|a|k)?sh$|cmd\\.exe"]
      }
    ]
  },
  {
    id: "bash-netcat-pipe",
    kind,
    languages: ["bash"],
    message: "connects a shell to netcat by a named pipe",
    all: [
      { calls: ["mkfifo", "mknod"] },
      {
        calls: ["nc", "ncat", "netcat", "telnet", "openssl", "nc.traditional"],
        madeWith: ["sh", "bash", "dash", "zsh"]
      }
    ]
  },
  {
    id: "bash-telnet-shell",
    kind,
    languages: ["bash"],
    message: "runs what telnet or netcat receives in a shell",
    all: [{ calls: ["sh", "bash", "dash", "zsh"], madeWith: ["telnet", "nc", "ncat", "netcat"] }]
  },
  {
    id: "bash-socat-shell",
    kind,
    languages: ["bash"],
    message: "has socat start a shell on a network connection",
    all: [
      {
        calls: ["socat"],
        arguments: ["(?:exec|EXEC|system|SYSTEM):", "(?:tcp|TCP|openssl|OPENSSL|udp|UDP)\\d?(-\\w+)?:"]
      }
    ]
  },
  {
    id: "bash-other-language-shell",
    kind,
    languages: ["bash"],
    message: "has perl, ruby, php, awk or lua bind a shell to a network connection",
    all: [
      {
        calls: ["perl", "ruby", "php", "lua", "awk", "gawk"],
        arguments: [
          "(?:socket|Socket|TCPSocket|fsockopen|/inet/tcp)[^]*(?:exec|/bin/(?:ba)?sh|getline|popen)"
        ]
      }
    ]
  }
]
