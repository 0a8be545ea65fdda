import { Schema } from "effect"

/** An image cannot be built. The message is for who asked for it, in one line. */
export class BuildFailure extends Schema.TaggedError<BuildFailure>()("BuildFailure", {
  message: Schema.String
}) {}

const causes: ReadonlyArray<readonly [RegExp, (found: string) => string]> = [
  [/No space left on device|ENOSPC/, () => "the disk is full"],
  [
    /No matching distribution found for ([^\s]+)/,
    (found) => `the package index has no wheel of '${found}' for this Python (--scripts builds from source)`
  ],
  [/Could not find a version that satisfies the requirement ([^\s]+)/, (found) => `there is no '${found}'`],
  [/Invalid requirement: '?([^'\n]+)/, (found) => `'${found}' is no package of PyPI's`],
  [
    /E: Unable to locate package ([^\s]+)/,
    (found) => `Debian has no package '${found}' in this machine's sources`
  ],
  [
    /dpkg: error processing (?:package|archive) ([^\s]+)/,
    (found) => `Debian's package '${found}' cannot be set up here (--verbose tells more)`
  ],
  [/E: Version '([^']+' for '[^']+)' was not found/, (found) => `Debian has no version '${found}' any more`],
  [
    /code ETARGET[\s\S]*?No matching version found for ([^\s]+)\./,
    (found) => `npm has no version '${found}'`
  ],
  [/(?:code E404|404 Not Found)[\s\S]*?'([^'\s]+)'/, (found) => `npm has no package '${found}'`],
  [/code EINVALIDTAGNAME|Invalid tag name "([^"]+)/, (found) => `'${found}' is no package of npm's`],
  [
    /Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|Could not resolve|Could not connect|Network is unreachable/,
    () => "the package registry cannot be reached: is there a network, or a proxy to be set?"
  ],
  [/THESE PACKAGES DO NOT MATCH THE HASHES|EINTEGRITY/, () => "a package is not the one that the lock names"],
  [/No module named pip/, () => "Python has no pip here: apt-get install -y python3-pip"],
  [/MemoryError|Cannot allocate memory|JavaScript heap out of memory/, () => "the build ran out of memory"]
]

const control = /[\p{Cc}\p{Cf}]+/gu

/** Of what a command wrote, what its user needs to know, on one line. */
export const reasonIn = (said: string): string => {
  for (const [pattern, reason] of causes) {
    const found = pattern.exec(said)
    if (found !== null) return reason((found[1] ?? "").replaceAll(control, " "))
  }
  const lines = said.split("\n").filter((line) => line.trim() !== "")
  return lines.slice(-3).join(" | ").replaceAll(control, " ").slice(-600) || "it failed without a word"
}
