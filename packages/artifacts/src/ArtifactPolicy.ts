import { flawOfPath } from "@bulkhead/domain"
import { type ArtifactKind, anyText, defaultWhitelist, type Whitelist } from "./ArtifactKinds.js"

/** Files of settings that projects have, by their whole names: other hidden files are caches and leftovers. */
const knownHidden = new Set(
  (
    ".gitignore .gitattributes .gitmodules .gitkeep .mailmap .dockerignore .npmignore .npmrc .nvmrc .node-version " +
    ".python-version .ruby-version .tool-versions .env .env.example .env.sample .env.template .env.local .envrc " +
    ".editorconfig .prettierrc .prettierignore .eslintrc .eslintignore .stylelintrc .babelrc .browserslistrc " +
    ".flake8 .pylintrc .isort.cfg .coveragerc .clang-format .clang-tidy .rubocop.yml .htaccess .gitlab-ci.yml " +
    ".travis.yml .pre-commit-config.yaml .prettierrc.json .prettierrc.yaml .eslintrc.json .eslintrc.js .eslintrc.cjs " +
    ".eslintrc.yml .swcrc .yamllint .markdownlint.json"
  ).split(" ")
)
const knownHiddenDirectories = new Set([
  ".github",
  ".gitlab",
  ".circleci",
  ".vscode",
  ".devcontainer",
  ".husky"
])

/** Files that are called so whatever follows: `Dockerfile.dev`, `README.de`. */
const knownStems =
  /^(?:dockerfile|containerfile|makefile|jenkinsfile|procfile|readme|license|licence|copying|changelog|notice|authors)\./i

/** What is behind the last point; nothing where that is a number, as in `app.log.1` and `libfoo-1.2`. */
export const extensionOf = (name: string): string => {
  const last = name.slice(name.lastIndexOf("/") + 1)
  const at = last.lastIndexOf(".")
  const extension = at < 0 ? "" : last.slice(at + 1).toLowerCase()
  return /^\d*$/.test(extension) ? "" : extension
}

const isHidden = (name: string) => {
  const parts = name.split("/")
  const last = parts.pop() ?? ""
  const isUnknown = parts.some((part) => part.startsWith(".") && !knownHiddenDirectories.has(part))
  return isUnknown || (last.startsWith(".") && !knownHidden.has(last))
}

const kindIn = (whitelist: Whitelist, extension: string): ArtifactKind | undefined =>
  Object.hasOwn(whitelist, extension) ? whitelist[extension] : undefined

/** What programs write to go on with, and what may take its place. */
const instead: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    "pkl pickle joblib dill pt pth ckpt".split(" ").map((each) => [each, "save it as npz, parquet or json"])
  ),
  ...Object.fromEntries(
    "exe dll so dylib com scr msi jar class pyc pyo wasm o a lib bin out"
      .split(" ")
      .map((each) => [each, "keep the source instead of the program"])
  ),
  ...Object.fromEntries("xls xlsm xlsb xltm".split(" ").map((each) => [each, "save it as xlsx"])),
  ...Object.fromEntries("doc docm dotm".split(" ").map((each) => [each, "save it as docx"])),
  ...Object.fromEntries("ppt pptm potm".split(" ").map((each) => [each, "save it as pptx"]))
}

const notAllowed = (extension: string) => {
  // A word alone may be shown as it is.
  const shown = /^[\w+-]{1,20}$/.test(extension) ? ` .${extension}` : ""
  const advice = Object.hasOwn(instead, extension) ? instead[extension] : "if it is text, call it .txt"
  return kindIn(defaultWhitelist, extension) === undefined
    ? `its extension${shown} is not allowed; ${advice}`
    : `its extension${shown} is not allowed here`
}

const kindOf = (name: string, whitelist: Whitelist) => {
  const last = name.slice(name.lastIndexOf("/") + 1)
  const extension = extensionOf(name)
  if (extension === "") return kindIn(whitelist, "") ?? "it has no extension"
  const kind = kindIn(whitelist, extension)
  if (kind !== undefined) return kind
  const isText = knownHidden.has(last) || knownStems.test(last)
  return isText && Object.hasOwn(whitelist, "") ? anyText : notAllowed(extension)
}

/** The kind that a name promises, or what is wrong with the name. */
export const judgeName = (name: string, whitelist = defaultWhitelist): ArtifactKind | string => {
  const flaw = flawOfPath(name)
  if (flaw !== undefined) return `its name is not allowed: ${flaw}`
  if (name.includes("\\")) return "its name is not allowed: it has a backslash"
  if (isHidden(name)) return "its name is not allowed: it is hidden"
  const kind = kindOf(name, whitelist)
  if (typeof kind === "string") return kind
  return { ...kind, name, ...(whitelist === defaultWhitelist ? {} : { whitelist }) }
}
