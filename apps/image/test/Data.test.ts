import { EmbeddedHost } from "@bulkhead/host"
import { assert, layer } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect, Redacted } from "effect"
import * as BuiltImage from "./BuiltImage.js"

const program = `
import io, requests, numpy as np, pandas as pd
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages
table = pd.DataFrame({"x": np.arange(10), "y": np.arange(10) ** 2})
table.to_excel("table.xlsx", index=False)
figure = plt.figure()
plt.plot(table.x, table.y)
figure.savefig("plot.png")
with PdfPages("plot.pdf") as pdf:
    pdf.savefig(figure)
print(pd.read_excel("table.xlsx").y.sum(), requests.__version__ != "")
`

const image = BuiltImage.make("data", ["--python", "numpy", "pandas", "matplotlib", "openpyxl", "requests"])

layer(EmbeddedHost.layer({ images: image === undefined ? {} : { data: image } }), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("An image of PyPI's packages", (it) => {
  it.scoped.skipIf(image === undefined)(
    "draws a plot, writes a workbook and a PDF",
    () =>
      Effect.gen(function* () {
        const { apiKey, url } = yield* EmbeddedHost
        const options = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
        const here = yield* Effect.acquireRelease(
          Effect.promise(() => Sandbox.create("data", options)),
          (made) => Effect.promise(() => made.kill())
        )
        yield* Effect.promise(() => here.files.write("main.py", program))
        const { stdout } = yield* Effect.promise(() =>
          here.commands.run("python3 main.py", { timeoutMs: 60_000 })
        )
        assert.strictEqual(stdout, "285 True\n")
        const begin = (file: string) =>
          Effect.map(
            Effect.promise(() => here.files.read(file, { format: "bytes" })),
            (bytes) => Buffer.from(bytes.subarray(0, 4)).toString("latin1")
          )
        assert.strictEqual(yield* begin("plot.png"), "\x89PNG")
        assert.strictEqual(yield* begin("table.xlsx"), "PK\x03\x04")
        assert.strictEqual(yield* begin("plot.pdf"), "%PDF")
      }),
    120_000
  )
})
