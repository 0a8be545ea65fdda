import { assert, describe, it } from "@effect/vitest"
import * as Analysis from "../src/Analysis.js"
import { ownRules } from "../src/OwnRules.js"
import type { Analysed } from "../src/Syntax/Facts.js"
import { bash } from "./samples/Bash.js"
import { javascript } from "./samples/JavaScript.js"
import { python } from "./samples/Python.js"

const analyze = Analysis.make(ownRules)
const kindsIn = (code: string, language: Analysed) => analyze(code, language).findings.map(({ kind }) => kind)

/** Harmless programs that look a little like hostile ones. */
const harmless: ReadonlyArray<readonly [Analysed, string]> = [
  ["python", "import os\npid = os.fork()\nif pid == 0:\n  os._exit(0)\nos.waitpid(pid, 0)"],
  [
    "python",
    "import socket\ns = socket.socket()\ns.connect(('127.0.0.1', 80))\ns.sendall(b'GET /')\nprint(s.recv(10))"
  ],
  ["python", "import base64\nprint(base64.b64decode('aGVsbG8='))"],
  ["python", "import subprocess\nsubprocess.run(['ls', '-l'], check=True)"],
  ["python", '"""Never reads /etc/shadow, nor stratum+tcp://pool."""\nprint(1)'],
  ["python", "import ast\nx = eval('1+1')\ny = ast.literal_eval('[1]')"],
  ["python", "open('output/authorized_keys.csv', 'w').write('a,b')"],
  ["python", "import shutil\nshutil.rmtree('/tmp/work')"],
  ["python", "import os\ndef fork():\n  return os.forkpty() if os.fork() else None"],
  ["python", "import os, socket\na, b = socket.socketpair()\nc = os.dup(socket.socket().fileno())"],
  ["python", "import pickle, base64\ndef load(value):\n  return pickle.loads(base64.b64decode(value))"],
  ["python", "import os, subprocess\nos.memfd_create('a')\nsubprocess.run(['ls'])"],
  ["javascript", "const cp = require('child_process'); console.log(cp.execSync('ls').toString())"],
  ["javascript", "console.log(Buffer.from('aGk=', 'base64').toString())"],
  ["javascript", "while (true) { if (done()) break; require('child_process').spawn('ls') }"],
  ["javascript", "const fs = require('fs'); fs.writeFileSync('out.txt', fs.readFileSync('in.txt'))"],
  ["bash", "curl -s https://host.invalid/data.json | jq .a"],
  ["bash", "echo aGk= | base64 -d > out.txt"],
  ["bash", "rm -rf ./build /tmp/x"],
  ["bash", "f() { echo a | grep a & }; f; wait"],
  ["bash", "while true; do sleep 1; ls | wc -l; done"],
  ["bash", "cat ~/.bashrc; echo 'export PATH=$PATH:~/bin' >> ~/.bashrc"]
]

describe("the rules", () => {
  for (const [language, samples] of [
    ["bash", bash],
    ["python", python],
    ["javascript", javascript]
  ] as const)
    for (const [kind, codes] of Object.entries(samples))
      it(`find ${kind} in ${language}, ${codes.length} ways`, () => {
        const missed = codes.filter((code) => !kindsIn(code, language).includes(kind))
        assert.deepStrictEqual(missed, [])
      })

  it("find what bash does in bash that Python or JavaScript starts", () => {
    const missed = Object.entries(bash).flatMap(([kind, codes]) =>
      codes.flatMap((code) => {
        const [text, words] = [JSON.stringify(code), JSON.stringify(["bash", "-c", code])]
        const programs: ReadonlyArray<readonly [Analysed, string]> = [
          ["python", `import os\nos.system(${text})`],
          ["python", `import subprocess as s\ns.run(${words})`],
          ["javascript", `require("node:child_process").execSync(${text})`],
          ["javascript", `import {spawn} from "child_process"; spawn("bash", ["-c", ${text}])`]
        ]
        return programs.filter(([language, code]) => !kindsIn(code, language).includes(kind))
      })
    )
    assert.deepStrictEqual(missed, [])
  })

  it("find what is run from a text that can be decoded, by its own line", () => {
    const code = "import os\nos.system('cat /etc/shadow')"
    const encoded = Buffer.from(code).toString("base64")
    const { findings } = analyze(
      `x = 1\ny = 2\nimport base64\nexec(base64.b64decode("${encoded}"))`,
      "python"
    )
    const found = findings.map(({ kind, line }) => [kind, line])
    assert.includeDeepMembers(found, [
      ["credential-theft", 4],
      ["obfuscated-execution", 4]
    ])
  })

  it("let harmless programs pass", () => {
    const flagged = harmless.filter(([language, code]) => kindsIn(code, language).length > 0)
    assert.deepStrictEqual(flagged, [])
  })

  it("have ids of their own", () => {
    assert.strictEqual(new Set(ownRules.map(({ id }) => id)).size, ownRules.length)
  })
})

describe("analysis", () => {
  it("reads any text without an end of it", () => {
    const texts = [
      "",
      "\u0000",
      "((((",
      "'''",
      "`${",
      "$((",
      "<<EOF",
      "\ud800",
      "a=${b[",
      "def f(:",
      "[".repeat(500)
    ]
    for (const text of texts)
      for (const language of ["python", "javascript", "bash"] as const)
        assert.isArray(analyze(text, language).findings)
  })
})
