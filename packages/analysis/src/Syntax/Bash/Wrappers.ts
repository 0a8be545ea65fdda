import type { Value } from "../Value.js"

/** Commands that run the command that follows, and those of their options that take a word. */
const wrappers: ReadonlyMap<string, string> = new Map(
  Object.entries({
    sudo: "ugCp",
    doas: "u",
    nohup: "",
    setsid: "",
    env: "u",
    command: "",
    builtin: "",
    exec: "a",
    time: "fo",
    nice: "n",
    ionice: "cn",
    timeout: "sk",
    stdbuf: "ioe",
    busybox: "",
    xargs: "IinLPd",
    unshare: ""
  })
)

/** Wrappers whose first word of their own comes before the command. */
const takesWord = new Set(["timeout"])

/** A command's name without its directory. */
export const nameOf = (command: Value | undefined): string => {
  const text = command?.text ?? ""
  return text.slice(text.lastIndexOf("/") + 1)
}

/** How many words a wrapper takes, itself and its options. */
const wordsOfWrapper = (words: ReadonlyArray<Value>, withWord: string, ownWords: number) => {
  let own = ownWords
  let at = 1
  for (; at < words.length; at++) {
    const text = words[at]?.text ?? ""
    if (/^-./.test(text)) at += text.length === 2 && withWord.includes(text.charAt(1)) ? 1 : 0
    else if (/^\w+=/.test(text)) continue
    else if (own > 0) own--
    else break
  }
  return at
}

/** The words of the command itself, without what merely runs it. */
export const unwrapped = (words: ReadonlyArray<Value>): ReadonlyArray<Value> => {
  const name = nameOf(words[0])
  const withWord = wrappers.get(name)
  if (withWord === undefined) return words
  const taken = wordsOfWrapper(words, withWord, takesWord.has(name) ? 1 : 0)
  return taken >= words.length ? words : unwrapped(words.slice(taken))
}
