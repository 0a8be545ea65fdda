import { assert } from "@effect/vitest"
import { bash, type Case, python } from "./Case.js"
import { nativeChart } from "./NativeChart.js"

const save = (name: string, content: string) =>
  python(`open('output/${name}', 'w', encoding='utf-8').write(${JSON.stringify(content)})`)

/** Takes 4 GB in all, and keeps 300 MB of them at a time. */
const garbage = `import java.util.*;
public class M { public static void main(String[] a) throws Exception {
  Object[] ring = new Object[3000];
  for (int i = 0; i < 40000; i++) { byte[] b = new byte[100000]; b[i % 100000] = 1; ring[i % 3000] = b; }
  System.out.println("done " + Runtime.getRuntime().maxMemory() / 1048576);
} }`

const heap = `public class M { public static void main(String[] a) {
  System.out.println(Runtime.getRuntime().maxMemory() / 1048576 + " " + Runtime.getRuntime().availableProcessors());
} }`

/** Each was reported of a system that runs strangers' code, and went wrong here once. */
export const reported: ReadonlyArray<Case> = [
  {
    name: "output is cut between characters",
    report: "langchain-ai/deepagents#4334, cuplivo#466",
    request: python("import sys", "sys.stdout.write('a' + '🎉' * 600000)"),
    also: ({ output, stdout }) => {
      assert.isTrue(output?.truncated)
      assert.isTrue(stdout.isWellFormed())
      assert.isAtMost(Buffer.byteLength(stdout), 1_048_576 + 300)
      assert.notInclude(stdout, "\ufffd")
      assert.match(stdout, /^a(🎉)+[^🎉]*\d[^🎉]*(🎉)+$/u, "it says between head and tail what is missing")
    }
  },
  {
    name: "a table of 7 MB is a file like any other",
    request: {
      ...python("print(len(open('a.csv').read()))"),
      files: [{ path: "a.csv", content: "1,2,3\n".repeat(1_200_000) }]
    },
    stdout: "7200000\n"
  },
  {
    name: "a child's output is not lost when time runs out",
    report: "engineer-man/piston#180, microsoft/autogen#3534",
    request: {
      ...bash(`python3 -c "import time; print('progress 1'); time.sleep(60)"`),
      timeout: 2
    },
    verdict: "TimeLimitExceeded",
    stdout: /progress 1/
  },
  {
    name: "npm gives up at once without a network, and says why",
    report: "NVIDIA/NemoClaw#1043",
    request: bash(`echo '{"dependencies":{"left-pad":"1"}}' > package.json`, "npm install 2>&1 | tail -20"),
    needs: ["npm"],
    within: 30,
    stdout: /network|offline|cache/i
  },
  {
    name: "an error does not echo the request",
    report: "rdfjs/N3.js#655, pingdotgg/t3code#3424",
    request: {
      ...python("1"),
      files: Array.from({ length: 1001 }, (_, index) => ({
        path: `s/${index}.txt`,
        content: "SECRET".repeat(100)
      }))
    },
    status: 400,
    verdict: "Rejected",
    also: (result) => {
      const answer = JSON.stringify(result)
      assert.isBelow(answer.length, 2000)
      assert.notInclude(answer, "SECRET")
      assert.match(answer, /files/)
    }
  },
  {
    name: "null is as if it were not there",
    report: "clients that write every field that they know",
    request: {
      ...python("print(1)"),
      ...{ timeout: null, env: null, files: null, stdin: null, args: null, retryOnFailure: null },
      ...{ idempotencyKey: null, outputDir: null, webhook: null }
    },
    stdout: "1\n"
  },
  {
    name: "a page that says its encoding as lxml and Word do",
    request: save(
      "r.html",
      '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>x</body></html>'
    ),
    kept: ["r.html"]
  },
  {
    name: "a table whose first column is called MZ",
    request: save("spectrum.csv", "MZ,intensity\n101.5,2000\n"),
    kept: ["spectrum.csv"]
  },
  {
    name: "a table in an older encoding",
    report: "SheetJS/test_files",
    request: python("open('output/k.csv', 'w', encoding='cp1252').write('Größe;Preis €\\n1;2\\n')"),
    kept: ["k.csv"]
  },
  {
    name: "a notebook",
    report: "ls1intum/Artemis#8870",
    request: save("n.ipynb", JSON.stringify({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 })),
    kept: ["n.ipynb"]
  },
  {
    name: "source texts of many kinds",
    report: "danny-avila/LibreChat#12758, open-webui/open-webui#21394",
    request: python(
      "for e in 'py js ts sql css toml sh ics tex geojson ndjson ini vtt'.split(): open('output/f.' + e, 'w').write('x\\n')"
    ),
    kept: "css geojson ics ini js ndjson py sh sql tex toml ts vtt".split(" ").map((end) => `f.${end}`)
  },
  {
    name: "a zip of results",
    request: python(
      "import zipfile",
      "with zipfile.ZipFile('output/r.zip', 'w') as z: z.writestr('a.csv', '1,2')"
    ),
    kept: ["r.zip"]
  },
  {
    name: "a JVM of default settings collects its garbage",
    report: "openjdk/jdk#23037, buildbuddy-io/buildbuddy#10323, flatcar/scripts#3263",
    request: { ...bash(`cat > M.java <<'E'\n${garbage}\nE`, "java M.java"), timeout: 100 },
    needs: ["java"],
    stdout: /^done \d+\n$/
  },
  {
    name: "a deck with native charts, each of which embeds a workbook",
    report: "scanny/python-pptx#284",
    request: {
      ...python("import shutil", "shutil.copy('deck.pptx', 'output/deck.pptx')"),
      files: [{ path: "deck.pptx", content: nativeChart(), encoding: "base64" }]
    },
    kept: ["deck.pptx"]
  },
  {
    name: "a page that draws a chart",
    report: "e2b-dev/code-interpreter#156, hal9ai/hal9#372",
    request: save(
      "chart.html",
      '<!doctype html><html><head><meta charset=utf-8><script src="https://cdn.example/chart.min.js"></script></head><body><div id=c></div><script>draw(document.getElementById("c"), [1,2,3])</script></body></html>'
    ),
    kept: ["chart.html"]
  },
  {
    name: "a child that ran out of memory is told of, though its parent went on",
    report: "cms-dev/cms#912",
    request: {
      ...python(
        "import subprocess, sys",
        "p = subprocess.run([sys.executable, '-c', 'x = []\\nwhile True: x.append(bytearray(50 << 20))'])",
        "print('child', p.returncode)"
      ),
      timeout: 60
    },
    stdout: "child -9\n",
    also: (result) =>
      assert.match(
        JSON.stringify({ ...result, stdout: "", stderr: "" }),
        /memory limit|ran out of memory|out of memory/i
      )
  },
  {
    name: "requests without a network fails as programs expect",
    request: python(
      "import requests",
      "try: requests.get('https://example.com', timeout=5)",
      "except requests.exceptions.RequestException as e: print('handled', type(e).__name__)"
    ),
    needs: ["/usr/lib/python3/dist-packages/requests/__init__.py"],
    stdout: "handled ConnectionError\n"
  },
  {
    name: "an annotation with <object> in it is data",
    request: save(
      "a.xml",
      "<annotation><filename>a.jpg</filename><object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
    ),
    kept: ["a.xml"]
  },
  {
    name: "a flood of files beside a report does not hide it",
    request: {
      ...bash(
        "python3 -m venv --without-pip output/venv",
        "mkdir -p output/node_modules/a",
        "for i in $(seq 1500); do echo x > output/node_modules/a/$i.md; done",
        "echo a,b > output/report.csv"
      ),
      timeout: 60
    },
    also: ({ artifacts = [] }) =>
      assert.include(
        artifacts.map(({ name }) => name),
        "report.csv"
      )
  },
  {
    name: "a byte order mark before a script",
    request: bash("\ufeffecho bom"),
    stdout: "bom\n"
  },
  {
    name: "a JVM starts, and its heap fits",
    report: "criyle/go-judge-demo#26, DMOJ/judge-server#1140, Moulberry/PandoraLauncher#678",
    request: {
      ...bash(
        `cat > M.java <<'E'\n${heap}\nE`,
        "javac M.java && java M && java M.java",
        "java -version 2>&1 | head -1"
      ),
      timeout: 100
    },
    needs: ["java", "javac"],
    also: ({ stdout }) => {
      const sizes = [...stdout.matchAll(/^(\d+) (\d+)$/gm)].map((match) => Number(match[1]))
      assert.strictEqual(sizes.length, 2, stdout)
      for (const size of sizes) assert.isBelow(size, 2048)
      assert.match(stdout, /version "/)
    }
  },
  {
    name: "openssl makes a certificate",
    report: "openssl/openssl#29470, wolfi-dev/os#36053",
    request: bash(
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 1 -subj /CN=x 2>&1 | tail -3",
      "openssl x509 -in c.pem -noout -subject"
    ),
    needs: ["openssl"],
    stdout: /subject=CN = x\n$/
  },
  {
    name: "a file that was left in the working directory is told of",
    report: "danny-avila/LibreChat#5336, microsoft/autogen#541",
    request: python("open('plot.csv', 'w').write('a,b\\n1,2\\n')"),
    also: (result) => assert.include(JSON.stringify(result), "plot.csv")
  },
  {
    name: "what the working directory has is collected on request",
    request: { ...python("open('plot.csv', 'w').write('a')"), outputDir: "." },
    kept: ["plot.csv"]
  },
  {
    name: "a name with decomposed accents, as a Mac writes it",
    report: "danny-avila/LibreChat#12977",
    request: python(
      "import unicodedata",
      "open('output/' + unicodedata.normalize('NFD', 'résumé') + '.csv', 'w').write('x')"
    ),
    kept: ["résumé.csv".normalize("NFC")]
  },
  {
    name: "a small project of 65 files",
    request: {
      ...python("import os", "print(len(os.listdir('s')))"),
      files: Array.from({ length: 65 }, (_, index) => ({ path: `s/${index}.txt`, content: "x" }))
    },
    stdout: "65\n"
  }
]
