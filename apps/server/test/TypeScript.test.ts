import type { ExecutionRequestInput } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

interface Program extends Partial<ExecutionRequestInput> {
  readonly code: string
  readonly says: string
}

const file = (path: string, content: string) => ({ path, content })

const lib =
  "export interface Shape { area(): number }\nexport const two: number = 2\nexport default class Two {}\n"

const h =
  "const h = (tag: string, props: object | null, ...inner: unknown[]) => '<' + tag + '>' + inner.join('') + '</' + tag + '>'"

/** Programs that end well, by what is to be seen in them, and what they print. */
const together: Readonly<Record<string, { readonly code: string; readonly says: string }>> = {
  types: {
    code: "interface A { n: number }\ntype B = A & { s?: string }\nconst b: B = { n: 1 }\nconsole.log(b.n as number)",
    says: "1"
  },
  enums: {
    code: "enum C { Red = 1, Green, Blue = 'b' }\nconsole.log(C.Green, C[1], C.Blue)",
    says: "2 Red b"
  },
  "const enums": { code: "const enum D { Up, Down }\nconsole.log(D.Down)", says: "1" },
  namespaces: {
    code: "namespace N.M { export const v = 3; export function f<T>(a: T): T { return a } }\nconsole.log(N.M.f(N.M.v))",
    says: "3"
  },
  "merged namespaces": {
    code: "function f() { return f.v }\nnamespace f { export let v = 4 }\nconsole.log(f())",
    says: "4"
  },
  "parameter properties": {
    code: "class P { constructor(private readonly a: number, public b = 2) {} sum() { return this.a + this.b } }\nconsole.log(new P(1).sum())",
    says: "3"
  },
  "abstract classes and overloads": {
    code: "abstract class A { abstract n(): number; f(a: string): string; f(a: number): string; f(a: any) { return a + String(this.n()) } }\nclass B extends A { override n() { return 5 } }\nconsole.log(new B().f(1))",
    says: "15"
  },
  "standard decorators": {
    code: "function twice(f: Function, c: ClassMethodDecoratorContext) { return function (this: any, n: number) { return f.call(this, n) * 2 + String(c.name) } }\nclass A { @twice go(n: number) { return n } accessor x = 1 }\nconsole.log(new A().go(3), new A().x)",
    says: "6go 1"
  },
  "decorators of parameters": {
    code: "const P = (t: object, k: string, i: number) => console.log(k, i)\nclass A { go(a: number, @P b: number) { return a + b } }\nconsole.log(new A().go(1, 2))",
    says: "go 1\n3"
  },
  satisfies: { code: "const c = { a: 1 } satisfies Record<string, number>\nconsole.log(c.a!)", says: "1" },
  generics: {
    code: "const id = <T extends object = {}>(x: T): T => x\nconst first = <const T,>(x: readonly T[]) => x[0]\nconsole.log(id({ a: 1 }).a, first([7]))",
    says: "1 7"
  },
  "type assertions": { code: "const n = <number>(1 as unknown)\nconsole.log(n)", says: "1" },
  "an overlong enum of computed members": {
    code: "enum F { A = 1 << 0, B = 1 << 1, AB = A | B, L = 'abc'.length }\nconsole.log(F.AB, F.L)",
    says: "3 3"
  },
  using: {
    code: "(Symbol as any).dispose ??= Symbol('dispose')\n{ using r = { [Symbol.dispose]() { console.log('closed') } } as any }\nconsole.log('after')",
    says: "closed\nafter"
  },
  JSX: {
    code: `/** @jsx h */\n${h}\nconst id = <T,>(x: T) => x\nconsole.log(<p>a {id<number>(1)}</p>)`,
    says: "<p>a 1</p>"
  },
  "a comment that looks like a map": { code: "console.log(1) //# sourceMappingURL=data:x\n", says: "1" },
  "a mistake in types alone": { code: "const n: number = 'text'\nconsole.log(n)", says: "text" }
}

/** Those for which it matters that they are the program itself. */
const alone: Readonly<Record<string, Program>> = {
  "legacy decorators, by tsconfig.json": {
    code: "const D = (t: any, k: string, d: PropertyDescriptor) => { const f = d.value; d.value = () => f() + 1 }\nclass A { @D go() { return 1 } }\nconsole.log(new A().go())",
    files: [
      file(
        "tsconfig.json",
        '{ // as people write it\n "compilerOptions": { "experimentalDecorators": true, }, }'
      )
    ],
    says: "2"
  },
  "legacy decorators, by what they are given": {
    code: "function D(t: any, k: string, d: PropertyDescriptor) { const f = d.value; d.value = () => f() + 1; return d }\nclass A { @D go() { return 1 } }\nconsole.log(new A().go())",
    says: "2"
  },
  "a first line for a shell, a file that is forked": {
    code: "#!/usr/bin/env ts-node\nimport { fork } from 'node:child_process'\nif (process.send) process.send(2 as number)\nelse fork(__filename).on('message', (n) => console.log(n))",
    says: "2"
  },
  "JSON that would be something else as a program": {
    code: "import data from './data.json'\nconsole.log(Object.keys(data).join())\nimport('./broken.json').catch((error: Error) => console.log(error.message.slice(0, 25)))",
    files: [file("data.json", '\uFEFF{ "__proto__": 1 }'), file("broken.json", "console.log('ran')")],
    says: "__proto__\n/home/user/broken.json: U"
  },
  "JSX in a file of its own": {
    code: "import { page } from './view'\nconsole.log(page(2))",
    files: [file("view.tsx", `/** @jsx h */\n${h}\nexport const page = (n: number) => <b>{n}</b>`)],
    says: "<b>2</b>"
  },
  "CommonJS, as JavaScript is": {
    code: "const { basename } = require('node:path')\nconst here: string = basename(__filename)\nconsole.log(here, require.main === module, typeof exports)",
    says: "main.ts true object"
  },
  modules: {
    code: "import { basename } from 'node:path'\nimport fs from 'fs'\nimport * as os from 'os'\nconsole.log(basename(import.meta.url), typeof fs.readFileSync, typeof os.cpus)",
    says: "main.ts function function"
  },
  "what is of CommonJS in a module": {
    code: "import { basename } from 'path'\nconst fs = require('fs')\nif (require.main === module) console.log(basename(__filename), basename(__dirname) !== '', typeof fs.statSync)",
    says: "main.ts true function"
  },
  "await at the top": {
    code: "const n: number = await Promise.resolve(4)\nfor await (const m of (async function* () { yield n })()) console.log(m)\nconsole.log(typeof require('path').join)",
    says: "4\nfunction"
  },
  "import = and export =": {
    code: "import path = require('path')\nimport two = require('./two')\nconsole.log(path.sep, two)",
    files: [file("two.ts", "const two: number = 2\nexport = two")],
    says: "/ 2"
  },
  "another file, by all its names": {
    code: "import { two, type Shape } from './lib'\nimport Two from './lib.ts'\nimport * as all from './lib.js'\nimport type { Shape as S } from './lib'\nconst s: Shape & S = { area: () => two }\nconsole.log(s.area(), Two.name, all.two)",
    files: [file("lib.ts", lib)],
    says: "2 Two 2"
  },
  "another file that is required": {
    code: "const lib = require('./lib')\nconst again = require('./lib.js')\nconsole.log(lib.two, again === lib, lib.default.name)",
    files: [file("lib.ts", lib)],
    says: "2 true Two"
  },
  "another file that is imported late, of CommonJS too": {
    code: "const name: string = './lib'\nimport(name).then((lib) => console.log(lib.two))\nimport('./old').then((old) => setTimeout(() => console.log(old.default.three), 50))",
    files: [file("lib.ts", lib), file("old.ts", "module.exports = { three: 3 as number }")],
    says: "2\n3"
  },
  "directories, JSON and files of JavaScript": {
    code: "import { a } from './deep'\nimport data from './data.json'\nimport { b } from './plain.mjs'\nconsole.log(a, data.n, b)",
    files: [
      file("deep/index.ts", "export { a } from './a'"),
      file("deep/a.ts", "export const a: string = 'deep'"),
      file("data.json", '{ "n": 1 }'),
      file("plain.mjs", "export const b = 'plain'")
    ],
    says: "deep 1 plain"
  },
  "files that import each other": {
    code: "import { even } from './even'\nconsole.log(even(10))",
    files: [
      file(
        "even.ts",
        "import { odd } from './odd'\nexport const even = (n: number): boolean => n === 0 || odd(n - 1)"
      ),
      file(
        "odd.ts",
        "import { even } from './even'\nexport const odd = (n: number): boolean => n !== 0 && even(n - 1)"
      )
    ],
    says: "true"
  },
  "a package.json that says module": {
    code: "console.log(typeof require, await 1)",
    files: [file("package.json", '{ "type": "module" }')],
    says: "function 1"
  },
  "arguments, input and variables": {
    code: "let text: string = ''\nfor await (const piece of process.stdin) text += piece\nconsole.log(process.argv.slice(2), text, process.env.A)",
    args: ["a b"],
    stdin: "in",
    env: { A: "1" },
    says: "[ 'a b' ] in 1"
  },
  "a byte order mark and lines as Windows ends them": {
    code: "\uFEFFconst a: number = 1\r\nenum E { B }\r\nconsole.log(a, E.B)\r\n",
    says: "1 0"
  }
}

/** Programs that cannot be run, by what is wrong; with the place that is told. */
const invalid = {
  "a syntax error": ["const a: number = 1\n\ninterface {\n", "main.ts:3:11 - error TS1438"],
  "a syntax error in a module": [
    "import 'fs'\nconst b: = 3\n",
    "main.ts:2:10 - error TS1110: Type expected."
  ],
  "a name that is declared twice": [
    "interface A {\n  a: string\n}\nlet x: number = 1\nlet x: number = 2\n",
    "main.ts:5:5 - error: Identifier 'x' has already been declared"
  ],
  "a name that is declared twice in a module": [
    "import fs from 'fs'\ninterface A {\n  a: string\n}\nlet x = 1\nlet x = 2\n",
    "main.ts:6:5 - error: Identifier 'x' has already been declared"
  ],
  "depth that no compiler takes": [
    `const x = ${"(".repeat(20_000)}1${")".repeat(20_000)}`,
    "the compiler cannot take it"
  ]
} as const

/** Programs that fail while they run, each in its fifth line. */
const failing = {
  CommonJS:
    "interface A {\n  a: string\n}\nconst f = (a: A): never => {\n  throw new TypeError(a.a)\n}\nf({ a: 'no' })\n",
  "a module": "import 'fs'\nenum E {\n  A\n}\nthrow new TypeError('no' + await E.A)\n",
  "a callback": "type T = {\n  a: string\n}\nsetTimeout(() => {\n  throw new TypeError('no')\n}, 1)\n"
}

const execute = (request: Partial<ExecutionRequestInput> & { readonly code: string }) =>
  Caller.execute({ language: "typescript", ...request })

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: "90 seconds" })("TypeScript", (it) => {
  for (const [how, load] of [
    ["required", "require"],
    ["imported", "await import"]
  ])
    it.effect(`runs ${Object.keys(together).length} kinds of files that are ${how}`, () =>
      Effect.gen(function* () {
        const cases = Object.values(together)
        const files = cases.map(({ code }, n) => file(`case${n}.ts`, code))
        const loads = cases.map((_, n) => `${load}("./case${n}"); console.log("--")`)
        const { stderr, stdout } = yield* execute({ code: loads.join("\n"), files })
        const told = stdout.split("--\n").map((text) => text.trim())
        assert.deepStrictEqual([told, stderr], [[...cases.map(({ says }) => says), ""], ""])
      })
    )

  it.effect(
    `runs ${Object.keys(alone).length} kinds of programs`,
    () =>
      Effect.forEach(
        Object.entries(alone),
        ([what, { says, ...request }]) =>
          Effect.map(execute(request), ({ stderr, stdout, verdict }) =>
            assert.deepStrictEqual([what, stdout.trim(), stderr, verdict], [what, says, "", "Completed"])
          ),
        { concurrency: 3 }
      ),
    { timeout: 120_000 }
  )

  it.effect("is told to be invalid in its own lines", () =>
    Effect.forEach(
      Object.entries(invalid),
      ([what, [code, told]]) =>
        Effect.map(execute({ code }), ({ error, exitCode, stderr, verdict }) => {
          assert.deepStrictEqual(
            [what, error?.code, verdict, exitCode],
            [what, "INVALID_CODE", "NonZeroExit", 1]
          )
          assert.include(stderr, told)
        }),
      { concurrency: 3 }
    )
  )

  it.effect("is told to have failed in its own lines", () =>
    Effect.forEach(
      Object.entries(failing),
      ([what, code]) =>
        Effect.map(execute({ code }), ({ error, exitCode, stderr }) => {
          assert.deepStrictEqual([what, error?.code, exitCode], [what, "RUNTIME_ERROR", 1])
          assert.match(stderr, /main\.ts:5/)
          assert.match(stderr, /^TypeError: no/m)
        }),
      { concurrency: 3 }
    )
  )

  it.effect("says of a file that it uses where it is wrong, and leaves nothing in the program's home", () =>
    Effect.gen(function* () {
      const files = [file("lib.ts", "export const a = 1\nexport const b: = 2\n")]
      for (const code of ["import { a } from './lib'\nconsole.log(a)", "console.log(require('./lib'))"]) {
        const { stderr, verdict } = yield* execute({ code, files })
        assert.strictEqual(verdict, "NonZeroExit")
        assert.include(stderr, "lib.ts:2:17 - error TS1110: Type expected.")
      }
      const absent = yield* execute({ code: "const axios = require('axios')" })
      assert.match(absent.stderr, /^node:internal[\s\S]*Cannot find module 'axios'/)
      const { stdout } = yield* execute({ code: "console.log(require('fs').readdirSync('.').join())" })
      assert.strictEqual(stdout, "main.ts,output\n")
    })
  )

  it.effect("takes a large program", () =>
    Effect.gen(function* () {
      const line = "export function f(a: { readonly n: number }): number { return a.n }\n"
      const many = Array.from({ length: 5_000 }, (_, n) => line.replace("f(", `f${n}(`)).join("")
      const { stdout, verdict } = yield* execute({ code: `${many}console.log(f7({ n: 7 }))` })
      assert.deepStrictEqual([stdout, verdict], ["7\n", "Completed"])
    })
  )
})
