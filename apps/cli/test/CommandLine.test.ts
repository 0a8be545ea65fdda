import { readFileSync } from "node:fs"
import { stripVTControlCharacters } from "node:util"
import { CliConfig, Command, HelpDoc } from "@effect/cli"
import { assert, describe, it } from "@effect/vitest"
import * as Bulkhead from "../src/Bulkhead.js"
import * as CommandLine from "../src/CommandLine.js"
import * as Run from "../src/commands/Run.js"

const split = (line: string) => CommandLine.split(line.split(" "))

describe("the command line", () => {
  it("leaves what is after -- to the program", () => {
    assert.deepStrictEqual(split("run a.py --json -- --json -x -- y"), {
      own: ["run", "a.py", "--json"],
      programs: ["--json", "-x", "--", "y"]
    })
  })

  it("takes --arg=TEXT as it takes --arg TEXT, whatever the text is", () => {
    assert.deepStrictEqual(split("run --arg=-x --env=A=b=c --arg --env=A --arg --arg --arg y").own, [
      ...[
        "run",
        "--arg",
        '"-x"',
        "--env",
        '"A=b=c"',
        "--arg",
        '"--env=A"',
        "--arg",
        '"--arg"',
        "--arg",
        '"y"'
      ]
    ])
  })

  it("takes options after - for stdin", () => {
    assert.deepStrictEqual(split("run - --json --arg - --user a").own, [
      ...["run", "--json", "--arg", '"-"', "--user", "a", "-"]
    ])
  })

  it("names the option that no command has, or that lacks its text", () => {
    const flaw = (line: string) => CommandLine.flawOf(Bulkhead.command, split(line).own)
    assert.include(flaw("run a.py --jsno"), "there is no option --jsno;")
    assert.include(flaw("run a.py --timeuot=5"), "there is no option --timeuot;")
    assert.isUndefined(flaw("run a.py --arg --jsno --timeout 5 --server http://a"))
    assert.isUndefined(flaw("run a.py --arg --deny"))
    assert.isUndefined(flaw("--completions bash"))
    for (const option of ["--arg", "--deny", "--webhook-event"])
      assert.strictEqual(flaw(`run a.py --json ${option}`), `${option}: expected a text after it`)
  })

  it("has each option of run in its documentation", () => {
    const docs = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8")
    const help = HelpDoc.toAnsiText(Command.getHelp(Run.command, CliConfig.defaultConfig))
    const options = new Set(stripVTControlCharacters(help).match(/--[a-z-]+/g))
    for (const builtIn of ["--completions", "--log-level", "--help", "--wizard", "--version"])
      options.delete(builtIn)
    assert.isAbove(options.size, 20)
    assert.deepStrictEqual(
      [...options].filter((option) => !docs.includes(`\`${option}`)),
      []
    )
  })
})
