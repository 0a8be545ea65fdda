import type { Rule } from "../Rule.js"

const kind = "ransom"

const note =
  "(?:your|all|Your|All|YOUR|ALL)\\s+(?:\\w+\\s+){0,3}(?:files|FILES|data|DATA|documents)\\s+(?:have been|are|were|HAVE BEEN|ARE)\\s+(?:\\w+\\s+)?(?:encrypted|ENCRYPTED|locked|LOCKED)|(?:send|Send|SEND|pay|Pay|PAY)\\s.{0,40}(?:bitcoin|Bitcoin|BTC|monero|Monero|XMR)"

export const ransom: ReadonlyArray<Rule> = [
  {
    id: "ransom-note",
    kind,
    languages: ["python", "javascript", "bash"],
    message: "says that files are encrypted and wants money",
    all: [
      { text: note },
      {
        calls: [
          "open",
          "*.write*",
          "fs.writeFile*",
          "write-to",
          "os.remove",
          "os.rename",
          "fs.unlink*",
          "fs.rename*",
          "openssl",
          "gpg",
          "*.encrypt*",
          "crypto.*"
        ]
      }
    ]
  },
  {
    id: "python-encrypts-tree",
    kind,
    languages: ["python"],
    message: "encrypts the files of a whole directory tree and removes them",
    all: [
      { calls: ["os.walk", "glob.glob", "glob.iglob", "pathlib.Path().rglob", "os.scandir", "*.rglob"] },
      {
        calls: [
          "*Fernet().encrypt",
          "*AES.new*",
          "*Cipher().encryptor*",
          "*.encryptor*",
          "*SecretBox().encrypt",
          "*ChaCha20*"
        ]
      },
      { calls: ["os.remove", "os.unlink", "os.rename", "os.replace", "shutil.move", "*.unlink", "*.rename"] }
    ]
  },
  {
    id: "python-encrypts-home",
    kind,
    languages: ["python"],
    message: "walks through homes or the whole disk and encrypts what it finds",
    all: [
      {
        calls: ["os.walk", "glob.glob", "glob.iglob", "pathlib.Path", "os.scandir"],
        arguments: ["^(?:/|/home.*|/root.*|~.*|C:\\\\.*)$"]
      },
      { calls: ["*Fernet().encrypt", "*AES.new*", "*.encryptor*", "*.encrypt"] }
    ]
  },
  {
    id: "node-encrypts-tree",
    kind,
    languages: ["javascript"],
    message: "encrypts the files of a directory and removes or renames them",
    all: [
      { calls: ["crypto.createCipheriv", "crypto.createCipher", "crypto.publicEncrypt"] },
      { calls: ["fs.readdir*", "fs/promises.readdir", "glob*"] },
      { calls: ["fs.unlink*", "fs.rename*", "fs.rm*", "fs/promises.unlink", "fs/promises.rename"] }
    ]
  },
  {
    id: "bash-encrypts-tree",
    kind,
    languages: ["bash"],
    message: "encrypts the files of a directory tree and removes them",
    all: [
      { calls: ["find", "ls", "for", "openssl"] },
      {
        calls: ["openssl", "gpg", "7z", "zip"],
        arguments: ["^(?:enc|-c|--symmetric|-e|--encrypt|-p.+|-mhe.*)$"]
      },
      { calls: ["shred", "rm", "mv", "srm"] },
      { calls: ["find"], arguments: ["^(?:/|/home.*|/root.*|~.*|\\u{fffc}.*|/srv.*|/var.*|\\.)$"] }
    ]
  },
  {
    id: "wipes-disk",
    kind: "destruction",
    languages: ["bash"],
    message: "overwrites a whole disk or removes the whole file system",
    all: [{ calls: ["dd"], arguments: ["^of=/dev/(?:sd[a-z]|vd[a-z]|nvme\\d|xvd[a-z]|mmcblk)"] }]
  },
  {
    id: "removes-everything",
    kind: "destruction",
    languages: ["bash"],
    message: "removes the whole file system",
    all: [
      {
        calls: ["rm"],
        arguments: ["^-\\w*r\\w*$|^--recursive$|^-\\w*R\\w*$", "^(?:/|/\\*|--no-preserve-root)$"]
      }
    ]
  },
  {
    id: "python-removes-everything",
    kind: "destruction",
    languages: ["python"],
    message: "removes the whole file system",
    all: [{ calls: ["shutil.rmtree"], arguments: ["^(?:/|/home|/root|/etc)$"] }]
  },
  {
    id: "backups-destroyed",
    kind,
    languages: ["bash", "python", "javascript"],
    message: "removes the backups that Windows keeps",
    all: [{ text: "vssadmin(?:\\.exe)?\\s+delete\\s+shadows|wmic\\s+shadowcopy\\s+delete" }]
  }
]
