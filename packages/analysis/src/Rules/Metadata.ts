import type { Rule } from "../Rule.js"
import { fetches } from "./Names.js"

const kind = "cloud-metadata"
const addresses =
  "169\\.254\\.169\\.254|169\\.254\\.170\\.2\\b|metadata\\.google\\.internal|\\bfd00:ec2::254|100\\.100\\.100\\.200|metadata\\.azure\\.internal|\\b2852039166\\b|0xa9\\.?fe\\.?a9\\.?fe|0251\\.0376\\.0251\\.0376|\\[::ffff:a9fe:a9fe\\]"
const message = "asks the cloud's metadata address, where machines get their credentials"

export const metadata: ReadonlyArray<Rule> = (["python", "javascript", "bash"] as const).map((language) => ({
  id: `${language}-metadata-address`,
  kind,
  languages: [language],
  message,
  all: [
    {
      calls: [
        ...fetches[language],
        ...(language === "bash"
          ? ["nc", "ncat", "telnet", "read-from", "write-to", "http", "exec"]
          : ["*.get", "*.request", "*.urlopen", "*.connect", "*.open"])
      ] as [string, ...Array<string>],
      arguments: [addresses]
    }
  ]
}))
