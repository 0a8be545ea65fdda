import type { Rule } from "../Rule.js"
import { writes } from "./Names.js"

const kind = "persistence"

const places =
  "^/etc/ld\\.so\\.preload$|(?:^|/)\\.ssh/authorized_keys2?$|^/etc/cron(?:tab$|\\.d/|\\.hourly/|\\.daily/)|^/var/spool/cron/|^/etc/rc\\.local$|^/etc/profile\\.d/|^/etc/sudoers|^/etc/pam\\.d/|^/etc/init\\.d/|^/etc/systemd/system/.*\\.(?:service|timer)$|^/etc/passwd$|/\\.config/systemd/user/.*\\.service$"

type Names = [string, ...Array<string>]

export const persistence: ReadonlyArray<Rule> = [
  {
    id: "python-autostart-file",
    kind,
    languages: ["python"],
    message: "writes where programs are started by themselves or logins are allowed",
    all: [{ calls: [...writes.python] as Names, arguments: [places, "^[rbt+]*[wax][rbt+]*$"] }]
  },
  {
    id: "node-autostart-file",
    kind,
    languages: ["javascript"],
    message: "writes where programs are started by themselves or logins are allowed",
    all: [{ calls: [...writes.javascript] as Names, arguments: [places] }]
  },
  {
    id: "bash-authorized-key",
    kind,
    languages: ["bash"],
    message: "lets a key of its own log in",
    all: [
      {
        calls: ["write-to", "tee"],
        arguments: ["(?:^|/)\\.ssh/authorized_keys2?$", "ssh-(?:rsa|ed25519|dss)|ecdsa-sha2|\\u{fffc}"]
      }
    ]
  },
  {
    id: "bash-autostart-file",
    kind,
    languages: ["bash"],
    message: "writes where programs are started by themselves",
    all: [
      {
        calls: ["write-to", "tee"],
        arguments: [
          "^/etc/ld\\.so\\.preload$|^/etc/cron(?:tab$|\\.d/)|^/var/spool/cron/|^/etc/rc\\.local$|^/etc/sudoers(?:$|\\.d/)"
        ]
      }
    ]
  },
  {
    id: "bash-crontab-from-text",
    kind,
    languages: ["bash"],
    message: "puts a job of its own into the table of cron",
    all: [{ calls: ["crontab"], madeWith: ["echo", "printf", "cat"] }]
  },
  {
    id: "bash-login-script",
    kind,
    languages: ["bash"],
    message: "has a login start what speaks to the network",
    all: [
      {
        calls: ["write-to", "tee"],
        arguments: [
          "(?:^|/)\\.(?:bashrc|profile|bash_profile|zshrc|bash_login)$",
          "(?:/dev/tcp|\\bnc\\s|curl\\s.*\\|\\s*(?:ba)?sh|base64\\s+-d|nohup\\s|python\\d?\\s+-c)"
        ]
      }
    ]
  },
  {
    id: "python-login-script",
    kind,
    languages: ["python"],
    message: "has a login start what it writes",
    all: [
      {
        calls: ["open", "io.open"],
        arguments: ["(?:^|/)\\.(?:bashrc|profile|bash_profile|zshrc)$", "^[a]\\+?$|^w\\+?$"]
      }
    ]
  },
  {
    id: "bash-root-account",
    kind,
    languages: ["bash"],
    message: "makes an account with the rights of root",
    all: [{ calls: ["useradd", "adduser", "usermod"], arguments: ["^-\\w*o\\w*$", "^0$"] }]
  },
  {
    id: "bash-hidden-service",
    kind,
    languages: ["bash"],
    message: "has the system start a service that it writes itself",
    all: [
      { calls: ["write-to", "tee"], arguments: ["/systemd/(?:system|user)/[^/]*\\.(?:service|timer)$"] },
      { calls: ["systemctl"], arguments: ["^(?:enable|start|daemon-reload)$"] },
      {
        calls: ["write-to", "tee"],
        arguments: ["ExecStart\\s*=\\s*(?:/tmp|/dev/shm|/var/tmp|/bin/(?:ba)?sh\\s+-c)"]
      }
    ]
  },
  {
    id: "bash-setuid-shell",
    kind,
    languages: ["bash"],
    message: "makes a shell run with the rights of its owner",
    all: [
      {
        calls: ["chmod"],
        arguments: ["^(?:u\\+s|\\+s|[0]?[46]7\\d\\d)$", "(?:^|/)(?:ba|da|z)?sh$|^/tmp/|^/dev/shm/"]
      }
    ]
  }
]
