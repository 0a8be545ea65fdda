// `npm test`: makes everything ready, then runs every check and every suite, and stops at the first that fails.
import { existsSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { ensureBundle } from "./bundle.mjs"
import { withNginx } from "./nginx.mjs"
import { pathWithPostgres } from "./postgres.mjs"
import { root, run, runTogether } from "./project.mjs"
import { setupForTests } from "./setup.mjs"
import { withSwift } from "./swift.mjs"
import { withoutPerl } from "./withoutPerl.mjs"

const report = join(root, ".setup/tests.json")
rmSync(report, { force: true })

const bin = (name) => join(root, "node_modules/.bin", name)

// Left to itself, vitest keeps one core for nobody: of two, that is half of the machine.
const workers = Math.max(2, availableParallelism() - 1)

const steps = {
  "Set up": () => {
    setupForTests()
    return true
  },
  "Check types, and lint": () =>
    runTogether([
      [bin("tsc"), "-b"],
      [bin("tsc"), "-p", "tsconfig.test.json"],
      [bin("biome"), "check", "--error-on-warnings", "."]
    ]),
  Bundle: () => ensureBundle().then(() => true),
  Test: () => {
    const words = [
      bin("vitest"),
      "run",
      // Vitest may end twice a worker that it can spare, and fails then.
      `--minWorkers=${workers}`,
      `--maxWorkers=${workers}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`
    ]
    const hidden = withoutPerl(words)
    if (hidden === undefined) console.log("Perl is not hidden from the tests: that takes root.")
    const [command, ...args] = hidden ?? words
    return run(command, args, {
      show: true,
      env: {
        ...process.env,
        PATH: withNginx(withSwift(pathWithPostgres())),
        ...(hidden ? { PERL_IS_HIDDEN: "yes" } : {})
      }
    })
  }
}

const firstFailure = async () => {
  for (const [title, step] of Object.entries(steps)) {
    console.log(`\n== ${title}`)
    if (!(await step())) return title
  }
  return undefined
}

const firstFailed = await firstFailure()
const { numFailedTests: failed, numPassedTests: passed } = existsSync(report)
  ? JSON.parse(readFileSync(report, "utf8"))
  : { numFailedTests: 0, numPassedTests: 0 }
// A process that ends early may say that it went well, having run nothing.
const failure = firstFailed ?? (passed > 0 ? undefined : "Test, which told of none that passed")
if (failure) {
  console.error(`\nFailed: ${failure}`)
  process.exitCode = 1
}
// A step that fails before or beside the tests counts as one.
console.log(`${passed} passed, ${failure ? Math.max(failed, 1) : failed} failed`)
