// What the commands share that take whole numbers as options.
import { parseArgs } from "node:util"
import { fail } from "./project.mjs"

/** The options as whole numbers. `options` has the least and the default of each; one without a default is required. */
export const readNumbers = (usage, options) => {
  const texts = readTexts(usage, Object.keys(options))
  const numberOf = ([name, { least, otherwise }]) => {
    const text = texts[name]
    if (text === undefined) return otherwise ?? fail(`--${name} is missing\n${usage}`)
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value) && value >= least && value <= 2 ** 32) return value
    return fail(`--${name}: expected a whole number from ${least} to 4294967296, got '${text}'\n${usage}`)
  }
  return Object.fromEntries(Object.entries(options).map((option) => [option[0], numberOf(option)]))
}

const readTexts = (usage, names) => {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]))
  try {
    return parseArgs({ args: process.argv.slice(2).filter((argument) => argument !== "--"), options }).values
  } catch (error) {
    return fail(`${error.message.split("\n")[0]}\n${usage}`)
  }
}
