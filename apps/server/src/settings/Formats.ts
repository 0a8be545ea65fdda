import { isIP } from "node:net"
import { isAbsolute } from "node:path"
import { AllowedArtifacts } from "@bulkhead/artifacts"
import { parseNetwork } from "@bulkhead/domain"
import { BearerToken } from "@bulkhead/http"
import { Option } from "effect"
import { type Format, format, secret } from "./Setting.js"

const numberFormat = (takes: string, isRight: (value: number) => boolean) =>
  format(takes, (text) => Option.liftPredicate(Number(text), isRight))

const between = (unit: string, least: number, most: number) =>
  numberFormat(
    `a whole number of ${unit}, ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most
  )

export const wholeNumber = (unit: string) => between(unit, 0, 2 ** 40)

/** An hour is more than anybody waits. */
export const seconds = numberFormat("seconds, 1 to 3600", (value) => value >= 1 && value <= 3600)

/** The longest that a timer of Node's can wait for, in milliseconds. */
const longestTimer = 2 ** 31 - 1

export const positiveNumber = (unit: string) => between(unit, 1, Math.floor(longestTimer / 1000))

export const milliseconds = between("milliseconds", 1, longestTimer)

export const dollars = numberFormat("US dollars, 0 or more", (value) => Number.isFinite(value) && value >= 0)

export const port = format("a port, 0 to 65535", (text) =>
  Option.liftPredicate(Number(text), (port) => /^\d{1,5}$/.test(text) && port <= 65_535)
)

export const host = format(
  "an address or a host name",
  Option.liftPredicate((text: string) => isIP(text) !== 0 || /^[A-Za-z0-9.-]{1,253}$/.test(text))
)

export const domain = format(
  "a domain, with a port or without",
  Option.liftPredicate((text: string) => /^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/.test(text))
)

export const template = format(
  "the name or id of a template",
  Option.liftPredicate((text: string) => /^\S{1,256}$/.test(text))
)

export const oneOf = <const Word extends string>(...words: ReadonlyArray<Word>) =>
  format(
    words.map((word) => `'${word}'`).join(" or "),
    Option.liftPredicate((text): text is Word => words.some((word) => word === text))
  )

export const word = format(
  "1 to 128 letters, digits, _ . : or -",
  Option.liftPredicate((text: string) => /^[A-Za-z0-9_.:-]{1,128}$/.test(text))
)

export const bucket = format(
  "a bucket's name, 3 to 63 letters, digits, . _ or -",
  Option.liftPredicate((text: string) => /^[A-Za-z0-9._-]{3,63}$/.test(text))
)

export const objectPrefix = format(
  "at most 200 letters, digits and . _ / = -, not / first",
  Option.liftPredicate((text: string) => /^[A-Za-z0-9._=-][A-Za-z0-9._/=-]{0,199}$/.test(text))
)

export const accessKeyId = format(
  "the id of an access key",
  Option.liftPredicate((text: string) => /^\S{1,256}$/.test(text))
)

export const secretText = secret("text without spaces", (text) => /^\S{1,8192}$/.test(text))

export const directory = format("the path of a directory", Option.some<string>)

export const absoluteDirectory = format(
  "the absolute path of a directory",
  Option.liftPredicate((text: string) => isAbsolute(text))
)

export const absoluteFile = format(
  "the absolute path of a file",
  Option.liftPredicate((text: string) => isAbsolute(text))
)

export const httpUrl = format(
  "an http or https URL",
  Option.liftPredicate((text: string) => /^https?:\/\/[^\s/]/.test(text) && URL.canParse(text))
)

export const networks = format("networks like 10.0.0.0/8 or addresses, separated by commas", (text) =>
  Option.all(text.split(",").map((each) => parseNetwork(each.trim())))
)

export const artifactKinds: Format<AllowedArtifacts.ArtifactChoice> = {
  takes: AllowedArtifacts.takes,
  parse: AllowedArtifacts.parse,
  isSecret: false
}

export const userArtifactKinds: Format<ReadonlyMap<string, AllowedArtifacts.ArtifactChoice>> = {
  takes: AllowedArtifacts.takesForUsers,
  parse: AllowedArtifacts.parseForUsers,
  isSecret: false
}

export const databaseUrl = secret(
  "postgresql://user:password@host:5432/database",
  (text) => /^postgres(ql)?:\/\/\S+$/.test(text) && URL.canParse(text)
)

export const token = secret(BearerToken.characters, BearerToken.isToken)
