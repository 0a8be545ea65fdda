import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { brotliDecompressSync } from "node:zlib"

const archive = new URL("../../../../packages/artifacts/corpus/corpus.tar.br", import.meta.url)

/** A deck with charts, as python-pptx makes it, in base64. */
export const nativeChart = () =>
  spawnSync("tar", ["-x", "-O", "./pptx-decks/native-charts.pptx"], {
    input: brotliDecompressSync(readFileSync(archive))
  }).stdout.toString("base64")
