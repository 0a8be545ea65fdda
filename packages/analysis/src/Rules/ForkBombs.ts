import type { Rule } from "../Rule.js"

const kind = "fork-bomb"

export const forkBombs: ReadonlyArray<Rule> = [
  {
    id: "python-endless-fork",
    kind,
    languages: ["python"],
    message: "starts processes in a loop without an end",
    all: [
      {
        calls: [
          "os.fork",
          "os.forkpty",
          "posix.fork",
          "subprocess.Popen",
          "multiprocessing.Process().start",
          "os.spawn*"
        ],
        in: ["endless-loop"]
      }
    ]
  },
  {
    id: "python-recursive-fork",
    kind,
    languages: ["python"],
    message: "forks in a function that calls itself",
    all: [{ calls: ["os.fork", "posix.fork"], in: ["recursion"] }]
  },
  {
    id: "node-endless-fork",
    kind,
    languages: ["javascript"],
    message: "starts processes in a loop without an end",
    all: [
      {
        calls: ["child_process.fork", "child_process.spawn", "child_process.exec", "cluster.fork"],
        in: ["endless-loop"]
      }
    ]
  },
  {
    id: "node-starts-itself",
    kind,
    languages: ["javascript"],
    message: "starts itself again in a loop without an end",
    all: [{ calls: ["child_process.*"], arguments: ["node"], in: ["endless-loop"] }]
  },
  {
    id: "bash-doubling-function",
    kind,
    languages: ["bash"],
    message: "has a function that starts itself twice",
    all: [{ calls: ["fork"], in: ["recursion"] }]
  },
  {
    id: "bash-endless-self",
    kind,
    languages: ["bash"],
    message: "starts itself in a loop without an end",
    all: [{ calls: ["*"], arguments: ["^\\$0$|^/proc/self/exe$"], in: ["endless-loop"] }]
  }
]
