import { type ArtifactRules, defaultWhitelist, type Whitelist } from "./ArtifactKinds.js"
import { extensionOf } from "./ArtifactPolicy.js"

const of = (extensions: string, flaw: string): ReadonlyArray<readonly [string, string]> =>
  extensions.split(" ").map((extension) => [extension, flaw])

/** What no archive and no document may have in it, by the extension. */
const refused: ReadonlyMap<string, string> = new Map([
  ...of("exe dll com scr cpl sys drv ocx pif msi msix msp appx lnk so dylib ko elf node", "it only runs"),
  ...of("deb rpm apk ipa dmg pkg appimage snap xpi crx jar war ear whl egg", "it only runs"),
  ...of("class dex pyc pyo pyd wasm chm hta vbe jse wsf wsh", "it only runs"),
  ...of("pkl pickle joblib dill pt pth", "it holds pickled objects"),
  ...of("docm dotm xlsm xltm xlam xlsb pptm potm ppam ppsm sldm xla xll", "it may have macros in it")
])

/** Why a packed file of this name is refused. Absent: it is not. */
export const refusalOf = (name: string): string | undefined => refused.get(extensionOf(name))

const anything: ArtifactRules = { checks: ["anything"] }

/** Whether a text of this kind may be whatever text it likes; beside other files it may as well be data. */
const isAnyText = ({ checks }: ArtifactRules) =>
  checks.every((check) => check === "text" || check === "notPdf")

/**
 * What a file in an archive must be, or why it is refused. It goes by the same list as one by itself; what no list knows
 * must be neither a program nor a pickle, since archives have parts of all kinds.
 */
export const judgePacked = (name: string, whitelist: Whitelist): ArtifactRules | string => {
  const extension = extensionOf(name)
  const refusal = refusalOf(name)
  if (refusal !== undefined) return refusal
  const kind = extension !== "" && Object.hasOwn(whitelist, extension) ? whitelist[extension] : undefined
  if (kind !== undefined) return isAnyText(kind) ? anything : kind
  return extension !== "" && Object.hasOwn(defaultWhitelist, extension)
    ? "its extension is not allowed"
    : anything
}
