import { assert } from "@effect/vitest"
import { bash, type Case, javascript, python } from "./Case.js"

/** What programs do: output, input, children, threads, languages and tools. */
export const programs: ReadonlyArray<Case> = [
  {
    name: "a byte order mark before Python",
    request: python("\ufeffprint('bom')"),
    stdout: "bom\n"
  },
  {
    name: "a byte order mark before JavaScript",
    request: javascript("\ufeffconsole.log('bom')"),
    stdout: "bom\n"
  },
  {
    name: "lines that end in CRLF in a shell script",
    report: "windmill-labs/windmill#10131",
    request: { language: "bash", code: "echo 1\r\n\r\nif true; then\r\n  echo 2\r\nfi\r\n" },
    stdout: "1\n2\n"
  },
  {
    name: "lines that end in CRLF in Python",
    request: { language: "python", code: "if True:\r\n  print('''a\r\nb''')\r\n" },
    stdout: "a\nb\n"
  },
  {
    name: "lines that end in CRLF in JavaScript",
    request: { language: "javascript", code: "// x\r\nconsole.log(1)\r\n" },
    stdout: "1\n"
  },
  {
    name: "a shebang in JavaScript",
    request: javascript("#!/usr/bin/env node", "console.log(1)"),
    stdout: "1\n"
  },
  {
    name: "standard input in UTF-8",
    report: "judge0/judge0#69",
    request: { ...python("print(input().replace('ầ', 'a'))"), stdin: "thầu ao\n" },
    stdout: "thau ao\n"
  },
  {
    name: "a program that reads all of its input",
    report: "bytedance/SandboxFusion#41",
    request: { ...python("import sys", "print(sum(map(int, sys.stdin)))"), stdin: "1\n2\n3" },
    stdout: "6\n"
  },
  {
    name: "a program that asks for input that there is not ends",
    report: "taybenlor/runno#285, AntonOsika/gpt-engineer#782",
    request: python("input('name? ')"),
    verdict: "NonZeroExit",
    stdout: "name? ",
    stderr: /EOFError/,
    within: 15
  },
  { name: "cat without an input ends", request: bash("cat; echo $?"), stdout: "0\n", within: 15 },
  {
    name: "node reads its input",
    request: {
      ...javascript("process.stdin.on('data', d => console.log(String(d).length))"),
      stdin: "12345"
    },
    stdout: "5\n"
  },
  {
    name: "arguments with blanks, quotes and none at all",
    request: { ...python("import sys", "print(sys.argv[1:])"), args: ["a b", "'\"$x", "", "ü"] },
    stdout: `['a b', '\\'"$x', '', 'ü']\n`
  },
  {
    name: "output that is not UTF-8",
    request: python("import sys", "sys.stdout.buffer.write(b'a\\xff\\xfeb\\n')"),
    stdout: /^a.+b\n$/,
    also: ({ stdout }) => assert.isTrue(stdout.isWellFormed())
  },
  {
    name: "NUL and control characters in the output",
    request: bash("printf 'a\\0b\\033[31mc\\r\\n'"),
    stdout: "a\0b\u001b[31mc\r\n"
  },
  {
    name: "emoji, Hebrew and combining marks",
    request: python("print('👩‍👩‍👧 שלום é')"),
    stdout: "👩‍👩‍👧 שלום é\n"
  },
  {
    name: "half of a surrogate pair is Python's own error",
    request: python("print('\\ud800')"),
    verdict: "NonZeroExit",
    stderr: /UnicodeEncodeError/
  },
  { name: "a last line without an end", request: bash("printf x"), stdout: "x" },
  {
    name: "a million short lines",
    request: python("for n in range(1000000): print(n)"),
    also: ({ output, stdout }) => {
      assert.isTrue(output?.truncated)
      assert.match(stdout, /^0\n1\n/)
      assert.match(stdout, /\n999999\n$/)
    }
  },
  {
    name: "one line of a megabyte",
    request: python("print('x' * 1000000)"),
    also: ({ stdout }) => assert.strictEqual(stdout.length, 1_000_001)
  },
  {
    name: "both streams in full",
    request: python("import sys", "for n in range(1000): print(n); print(n, file=sys.stderr)"),
    also: ({ stderr, stdout }) => {
      assert.strictEqual(stdout, stderr)
      assert.strictEqual(stdout.split("\n").length, 1001)
    }
  },
  {
    name: "processes of a pool",
    report: "openai/codex#7251, openai/codex#1808",
    request: python(
      "from concurrent.futures import ProcessPoolExecutor",
      "from multiprocessing import Lock, Value",
      "def f(x): return x + 1",
      "if __name__ == '__main__':",
      "  Lock(); Value('i', 1)",
      "  with ProcessPoolExecutor(3) as pool: print(list(pool.map(f, [1, 2, 3])))"
    ),
    stdout: "[2, 3, 4]\n"
  },
  {
    name: "processes that are spawned",
    report: "hermeticbuild/actiond#34",
    request: python(
      "import multiprocessing as m",
      "def f(q): q.put('from a child')",
      "if __name__ == '__main__':",
      "  c = m.get_context('spawn'); q = c.Queue(); p = c.Process(target=f, args=(q,)); p.start(); print(q.get()); p.join()"
    ),
    stdout: "from a child\n"
  },
  {
    name: "memory that processes share",
    request: python(
      "from multiprocessing import shared_memory",
      "s = shared_memory.SharedMemory(create=True, size=1 << 20); s.buf[0] = 7; print(s.buf[0]); s.close(); s.unlink()"
    ),
    stdout: "7\n"
  },
  {
    name: "fifty threads",
    request: python(
      "import threading",
      "t = [threading.Thread(target=lambda: None) for _ in range(50)]",
      "[x.start() for x in t]; [x.join() for x in t]; print(len(t))"
    ),
    stdout: "50\n"
  },
  {
    name: "asyncio with children",
    request: python(
      "import asyncio",
      "async def main():",
      "  p = await asyncio.create_subprocess_shell('echo child', stdout=-1)",
      "  print((await p.communicate())[0])",
      "asyncio.run(main())"
    ),
    stdout: "b'child\\n'\n"
  },
  {
    name: "a worker of Node",
    request: javascript(
      "const { Worker } = require('node:worker_threads')",
      "new Worker('require(\"node:worker_threads\").parentPort.postMessage(6*7)', { eval: true }).on('message', m => console.log(m))"
    ),
    stdout: "42\n"
  },
  {
    name: "WebAssembly in Node",
    request: javascript(
      "WebAssembly.instantiate(new Uint8Array([0,97,115,109,1,0,0,0])).then(() => console.log('wasm'))"
    ),
    stdout: "wasm\n"
  },
  { name: "top-level await", request: javascript("console.log(await Promise.resolve(1))"), stdout: "1\n" },
  {
    name: "import and require of Node's own modules",
    request: javascript(
      "import { sep } from 'node:path'",
      "import os from 'os'",
      "console.log(sep, typeof os.tmpdir())"
    ),
    stdout: "/ string\n"
  },
  {
    name: "a database of SQLite",
    request: python(
      "import sqlite3",
      "with sqlite3.connect('a.db') as d: d.execute('pragma journal_mode=wal'); d.execute('create table t(a)'); d.execute('insert into t values(?)', ('ü',)); print(d.execute('select * from t').fetchall())"
    ),
    stdout: "[('ü',)]\n"
  },
  {
    name: "sqlite3 at the command line",
    request: bash("sqlite3 a.db 'create table t(a); insert into t values(1); select * from t'"),
    needs: ["sqlite3"],
    stdout: "1\n"
  },
  {
    name: "a program that is compiled and run",
    request: bash(
      "cat > a.c <<'E'",
      "#include <stdio.h>",
      'int main(void) { puts("compiled"); }',
      "E",
      "gcc a.c -o a && ./a"
    ),
    needs: ["gcc"],
    stdout: "compiled\n"
  },
  {
    name: "make",
    request: bash("printf 'all:\\n\\t@echo made\\n' > Makefile; make"),
    needs: ["make"],
    stdout: "made\n"
  },
  {
    name: "git",
    request: bash(
      "git init -q . && git config user.email a@b && git config user.name a && echo x > x && git add x && git commit -qm first && git log --oneline | wc -l"
    ),
    needs: ["git"],
    stdout: "1\n"
  },
  {
    name: "tar, gzip, zip and unzip",
    request: bash(
      "echo x > x; tar czf x.tgz x && tar tzf x.tgz; zip -q x.zip x && unzip -l x.zip | grep -c x$"
    ),
    needs: ["zip", "unzip"],
    stdout: /^x\n[12]\n$/
  },
  {
    name: "jq, awk, sed, bc and xargs",
    request: bash(
      "echo '{\"a\":1}' | jq .a; echo 1 2 | awk '{print $2}'; echo a | sed s/a/b/; echo 2^70 | bc; echo a b | xargs -n1 echo"
    ),
    needs: ["jq", "bc"],
    stdout: "1\n2\nb\n1180591620717411303424\na\nb\n"
  },
  {
    name: "sort by the locale, and ls of odd names",
    request: bash("touch 'a b' ü; ls | grep -c -e ü -e 'a b'"),
    stdout: "2\n"
  },
  {
    name: "file says what a file is",
    request: bash("printf '\\x89PNG\\r\\n\\x1a\\n' > a; file -b --mime-type a"),
    needs: ["file"],
    stdout: /^(image\/png|application\/octet-stream)\n$/
  },
  { name: "java -version", request: bash("java -version 2>&1"), needs: ["java"], likeHere: true },
  {
    name: "Java prints what is not ASCII",
    request: {
      ...bash(
        "echo 'class M { public static void main(String[] a) { System.out.println(\"grüezi 東京\"); } }' > M.java",
        "java M.java"
      ),
      timeout: 60
    },
    needs: ["java", "javac"],
    stdout: "grüezi 東京\n"
  },
  {
    name: "openssl digests, and makes random numbers",
    request: bash("printf abc | openssl dgst -sha256 -r; openssl rand -hex 4 | wc -c; openssl version -d"),
    needs: ["openssl"],
    stdout: /^ba7816bf\S+ \*stdin\n9\nOPENSSLDIR: /,
    also: ({ stderr }) => assert.strictEqual(stderr, "")
  },
  {
    name: "a virtual environment",
    request: {
      ...bash(
        "python3 -m venv --without-pip v && . v/bin/activate && python -c 'import sys; print(sys.prefix != sys.base_prefix)'"
      ),
      timeout: 30
    },
    stdout: "True\n"
  },
  {
    name: "a module beside the program",
    request: {
      ...python("from lib.tools import twice", "print(twice(4))"),
      files: [
        { path: "lib/__init__.py", content: "" },
        { path: "lib/tools.py", content: "def twice(n): return 2 * n\n" }
      ]
    },
    stdout: "8\n"
  },
  {
    name: "a file of the request's with a name in Chinese",
    report: "danny-avila/LibreChat#12977",
    request: {
      ...python("print(open('分析/结果📊.csv').read())"),
      files: [{ path: "分析/结果📊.csv", content: "1" }]
    },
    stdout: "1\n"
  },
  {
    name: "files of the request's with blanks, quotes and per cents in their names",
    request: {
      ...python("import os", "print(sorted(n for n in os.listdir() if n.endswith('.csv')))"),
      files: ["a b.csv", 'c"d.csv', "it's.csv", "100%.csv", "Прайс.csv"].map((path) => ({
        path,
        content: "1"
      }))
    },
    stdout: `['100%.csv', 'a b.csv', 'c"d.csv', "it's.csv", 'Прайс.csv']\n`
  },
  {
    name: "bytes of the request's as they are",
    request: {
      ...python("print(open('a.bin', 'rb').read())"),
      files: [{ path: "a.bin", content: "AAH/gA==", encoding: "base64" }]
    },
    stdout: "b'\\x00\\x01\\xff\\x80'\n"
  },
  {
    name: "an exit code",
    request: bash("exit 3"),
    verdict: "NonZeroExit",
    also: ({ exitCode }) => assert.strictEqual(exitCode, 3)
  },
  {
    name: "sys.exit with a message",
    request: python("import sys", "sys.exit('bad input')"),
    verdict: "NonZeroExit",
    stderr: "bad input\n"
  },
  {
    name: "a traceback shows the line",
    request: python("def f():", "  return 1 / 0", "f()"),
    verdict: "NonZeroExit",
    stderr: /line 2, in f\n {4}return 1 \/ 0\n[\s\S]*ZeroDivisionError/
  },
  {
    name: "Node's error shows the line",
    request: javascript("", "throw new Error('boom')"),
    verdict: "NonZeroExit",
    stderr: /main\.\w+:2\n[\s\S]*Error: boom/
  },
  {
    name: "a recursion without end is an error of the language's",
    request: python("def f(): f()", "f()"),
    verdict: "NonZeroExit",
    stderr: /RecursionError/
  },
  {
    name: "a syntax error is said in the language's words",
    request: python("if True print(1)"),
    verdict: "NonZeroExit",
    stderr: /line 1[\s\S]*SyntaxError: /,
    also: ({ error }) => assert.strictEqual(error?.code, "INVALID_CODE")
  },
  {
    name: "a program that forks into the background is over with its parent",
    request: bash("sleep 30 & echo started"),
    stdout: "started\n",
    within: 15
  }
]
