import type { Rule } from "../Rule.js"
import { fetches } from "./Names.js"

const kind = "obfuscated-execution"

const pythonDecoders = [
  "base64.*decode*",
  "binascii.unhexlify",
  "binascii.a2b_*",
  "bytes.fromhex",
  "bytearray.fromhex",
  "codecs.decode",
  "zlib.decompress",
  "lzma.decompress",
  "bz2.decompress",
  "gzip.decompress",
  "marshal.loads",
  "*Fernet().decrypt"
]

const unpicklers = ["pickle.loads", "cPickle.loads", "dill.loads"] as const

type Names = [string, ...Array<string>]

export const obfuscation: ReadonlyArray<Rule> = [
  {
    id: "python-runs-decoded",
    kind,
    languages: ["python"],
    message: "runs code that it decodes first",
    all: [
      { calls: ["exec", "eval", "builtins.exec", "types.FunctionType"], madeWith: pythonDecoders as Names }
    ]
  },
  {
    id: "python-runs-characters",
    kind,
    languages: ["python"],
    message: "runs code that it puts together from the numbers of characters",
    all: [{ calls: ["exec", "eval", "builtins.exec"], madeWith: ["chr"] }]
  },
  {
    id: "python-command-decoded",
    kind,
    languages: ["python"],
    message: "runs a command that it decodes first",
    all: [
      {
        calls: ["os.system", "os.popen", "subprocess.*", "pty.spawn"],
        madeWith: [
          "base64.*decode*",
          "binascii.unhexlify",
          "bytes.fromhex",
          "codecs.decode",
          "marshal.loads",
          "chr"
        ]
      }
    ]
  },
  {
    id: "python-runs-fetched",
    kind: "download-and-run",
    languages: ["python"],
    message: "runs code or a command that it fetches from the network",
    all: [
      {
        calls: ["exec", "eval", "builtins.exec", "os.system", "os.popen"],
        madeWith: [...fetches.python] as Names
      }
    ]
  },
  {
    id: "python-runs-unpickled",
    kind,
    languages: ["python"],
    message: "loads a pickle that it fetches, which runs what is in it",
    all: [
      {
        calls: [...unpicklers],
        madeWith: ["requests.*", "urllib.request.urlopen", "*socket.socket().recv*"]
      }
    ]
  },
  {
    id: "python-runs-own-pickle",
    kind,
    languages: ["python"],
    message: "loads a pickle that is encoded in it, which runs what is in it",
    all: [{ calls: [...unpicklers], arguments: ["."], madeWith: ["base64.*decode*", "bytes.fromhex"] }]
  },
  {
    id: "node-runs-decoded",
    kind,
    languages: ["javascript"],
    message: "runs code that it decodes first",
    all: [
      {
        calls: ["eval", "Function", "vm.run*", "vm.Script"],
        madeWith: [
          "atob",
          "Buffer.from",
          "unescape",
          "String.fromCharCode",
          "zlib.*Sync",
          "decodeURIComponent"
        ]
      }
    ]
  },
  {
    id: "node-command-decoded",
    kind,
    languages: ["javascript"],
    message: "runs a command that it decodes first",
    all: [
      {
        calls: ["child_process.exec*", "child_process.spawn*"],
        madeWith: ["atob", "String.fromCharCode", "unescape"]
      }
    ]
  },
  {
    id: "node-command-from-buffer",
    kind,
    languages: ["javascript"],
    message: "runs a command that it decodes first",
    all: [{ calls: ["child_process.exec", "child_process.execSync"], madeWith: ["Buffer.from"] }]
  },
  {
    id: "node-runs-fetched",
    kind: "download-and-run",
    languages: ["javascript"],
    message: "runs code that it fetches from the network",
    all: [
      {
        calls: ["eval", "Function", "vm.run*", "child_process.exec*"],
        madeWith: ["fetch", "axios*", "got*", "https.get", "http.get"]
      }
    ]
  },
  {
    id: "bash-runs-decoded",
    kind,
    languages: ["bash"],
    message: "runs what it decodes first",
    all: [
      {
        calls: ["sh", "bash", "zsh", "dash", "ash", "ksh", "eval", "python*", "perl", "source", "."],
        madeWith: ["base64", "base32", "xxd", "rev", "openssl", "uudecode", "basenc"]
      }
    ]
  },
  {
    id: "bash-runs-fetched",
    kind: "download-and-run",
    languages: ["bash"],
    message: "runs what it fetches from the network, unseen",
    all: [
      {
        calls: ["sh", "bash", "zsh", "dash", "ash", "ksh", "eval", "python*", "perl", "node", "source", "."],
        madeWith: ["curl", "wget", "fetch"]
      }
    ]
  },
  {
    id: "bash-fetches-and-starts",
    kind: "download-and-run",
    languages: ["bash"],
    message: "fetches a program into a place for temporary files, makes it executable and starts it",
    all: [
      { calls: ["curl", "wget"], arguments: ["^/(?:tmp|dev/shm|var/tmp)/"] },
      { calls: ["chmod"], arguments: ["\\+x|^0?7\\d\\d$", "^/(?:tmp|dev/shm|var/tmp)/"] }
    ]
  },
  {
    id: "python-fetches-and-starts",
    kind: "download-and-run",
    languages: ["python"],
    message: "fetches a program into a place for temporary files, makes it executable and starts it",
    all: [
      {
        calls: ["urllib.request.urlretrieve", "open", "*.urlretrieve"],
        arguments: ["^/(?:tmp|dev/shm|var/tmp)/"]
      },
      { calls: [...fetches.python] as Names },
      { calls: ["os.chmod"], arguments: ["^/(?:tmp|dev/shm|var/tmp)/"] }
    ]
  },
  {
    id: "python-code-in-memory",
    kind: "download-and-run",
    languages: ["python"],
    message: "starts a program from memory that is no file",
    all: [
      { calls: ["os.memfd_create"] },
      {
        calls: ["os.exec*", "os.posix_spawn*", "os.system", "subprocess.*"],
        arguments: ["/proc/(?:self|\\d+|\\u{fffc})/fd/"]
      }
    ]
  },
  {
    id: "python-runs-descriptor-in-memory",
    kind: "download-and-run",
    languages: ["python"],
    message: "starts a program from memory that is no file",
    all: [{ calls: ["os.exec*", "os.fexecve"], madeWith: ["os.memfd_create"] }]
  },
  {
    id: "python-native-code",
    kind: "shellcode",
    languages: ["python"],
    message: "makes memory executable and calls what is in it",
    all: [
      { calls: ["mmap.mmap", "*mprotect", "*VirtualAlloc", "ctypes.*VirtualAlloc*"] },
      { calls: ["ctypes.CFUNCTYPE*", "ctypes.memmove", "*RtlMoveMemory", "*CreateThread"] }
    ]
  }
]
