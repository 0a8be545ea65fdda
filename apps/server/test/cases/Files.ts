import { assert } from "@effect/vitest"
import { bash, type Case, python } from "./Case.js"

const nothingRefused = ({
  rejectedArtifacts = []
}: {
  readonly rejectedArtifacts?: ReadonlyArray<unknown>
}) => assert.deepStrictEqual(rejectedArtifacts, [])

/** What programs leave behind. */
export const files: ReadonlyArray<Case> = [
  {
    name: "files without an extension that are text",
    request: bash("cd output; for f in Makefile README LICENSE Dockerfile; do echo x > $f; done"),
    kept: ["Dockerfile", "LICENSE", "Makefile", "README"]
  },
  {
    name: "tables that begin as binary files do",
    request: python(
      "for n, c in enumerate(['MZ', 'GIF89a', 'ID3', 'BM', 'PK', '%PDF', '#!', 'RIFF']): open(f'output/{n}.csv', 'w').write(c + ',x\\n1,2\\n')"
    ),
    kept: Array.from({ length: 8 }, (_, n) => `${n}.csv`)
  },
  {
    name: "a database of SQLite",
    request: python(
      "import sqlite3",
      "with sqlite3.connect('output/a.sqlite') as d: d.execute('create table t(a)')"
    ),
    kept: ["a.sqlite"]
  },
  {
    name: "archives of each kind",
    request: python(
      "import tarfile, gzip, lzma, shutil, os",
      "os.mkdir('d'); open('d/a.csv', 'w').write('1,2\\n')",
      "for f in ('zip', 'tar', 'gztar', 'xztar'): shutil.make_archive('output/d', f, 'd')",
      "gzip.open('output/a.csv.gz', 'wt').write('1,2\\n')",
      "lzma.open('output/a.csv.xz', 'wt').write('1,2\\n')"
    ),
    kept: ["a.csv.gz", "a.csv.xz", "d.tar", "d.tar.gz", "d.tar.xz", "d.zip"]
  },
  {
    name: "an archive whose link climbs out",
    request: python(
      "import tarfile",
      "t = tarfile.open('output/a.tar', 'w'); i = tarfile.TarInfo('x'); i.type = tarfile.SYMTYPE; i.linkname = '../../etc/passwd'; t.addfile(i); t.close()"
    ),
    kept: [],
    refused: /./
  },
  {
    name: "a pickle, with what to save instead",
    request: python("import pickle", "pickle.dump({}, open('output/m.pkl', 'wb'))"),
    kept: [],
    refused: /m\.pkl|extension|not allowed/
  },
  {
    name: "an executable by the name of a picture",
    request: bash("cp /bin/true output/a.png; cp /bin/true output/tool"),
    kept: [],
    refused: /./
  },
  {
    name: "texts in UTF-16",
    request: python(
      "open('output/a.csv', 'w', encoding='utf-16').write('a,b\\n'); open('output/b.txt', 'w', encoding='shift_jis').write('日本')"
    ),
    kept: ["a.csv", "b.txt"]
  },
  {
    name: "names in other scripts, with blanks and quotes",
    report: "danny-avila/LibreChat#12977",
    request: python(
      "for n in ['分析', 'Прайс лист', 'it\\'s', 'a (2)', 'emoji 📊', 'x+y=z&w', '100%']: open(f'output/{n}.csv', 'w').write('1')"
    ),
    kept: [
      "100%.csv",
      "a (2).csv",
      "emoji 📊.csv",
      "it's.csv",
      "x+y=z&w.csv",
      "Прайс лист.csv",
      "分析.csv"
    ].toSorted()
  },
  {
    name: "two names that are the same when composed",
    request: python(
      "import unicodedata",
      "for f in ('NFC', 'NFD'): open('output/' + unicodedata.normalize(f, 'é') + '.txt', 'w').write(f)"
    ),
    also: ({ artifacts = [] }) => {
      assert.strictEqual(artifacts.length, 2)
      assert.strictEqual(new Set(artifacts.map(({ name }) => name.normalize("NFC"))).size, 2)
    }
  },
  {
    name: "an empty file, and one of 5 MB",
    request: python("open('output/a.txt', 'w'); open('output/b.csv', 'w').write('1,2\\n' * 1250000)"),
    kept: ["a.txt", "b.csv"]
  },
  {
    name: "folders in folders",
    request: bash("mkdir -p output/a/b/c; echo x > output/a/b/c/d.txt"),
    kept: ["a/b/c/d.txt"]
  },
  {
    name: "a link in the output is named, and its file is not lost",
    request: bash("echo x > output/a.txt; ln -s a.txt output/b.txt"),
    kept: ["a.txt"],
    refused: /link/
  },
  {
    name: "drawings with styles and fonts",
    request: python(
      "open('output/a.svg', 'w').write('<svg xmlns=\"http://www.w3.org/2000/svg\"><style>@font-face{font-family:x;src:url(data:font/woff2;base64,AA)} text{font-family:x}</style><text>ü</text></svg>')"
    ),
    kept: ["a.svg"]
  },
  {
    name: "XML with a document type and a style sheet",
    request: python(
      'open(\'output/a.xml\', \'w\').write(\'<?xml version="1.0" encoding="ISO-8859-1"?><?xml-stylesheet href="a.xsl"?><!DOCTYPE a SYSTEM "a.dtd"><a onset="1"/>\')'
    ),
    kept: ["a.xml"]
  },
  {
    name: "a page with frames, forms and handlers",
    request: python(
      "open('output/a.html', 'w').write('<iframe src=x></iframe><form action=y><input onfocus=z()></form><base href=/ ><meta http-equiv=refresh content=5>')"
    ),
    kept: ["a.html"]
  },
  {
    name: "a wave",
    request: python(
      "import wave",
      "w = wave.open('output/a.wav', 'wb'); w.setnchannels(1); w.setsampwidth(2); w.setframerate(8000); w.writeframes(bytes(1600)); w.close()"
    ),
    kept: ["a.wav"]
  },
  {
    name: "files that a script of this kind leaves",
    request: bash(
      "cd output; echo '{}' > a.json; echo a: 1 > a.yaml; echo '# x' > a.md; echo '<a/>' > a.xml; echo 'a,b' > a.csv; echo x > a.log"
    ),
    kept: ["a.csv", "a.json", "a.log", "a.md", "a.xml", "a.yaml"],
    also: nothingRefused
  },
  {
    name: "an output directory of the request's own",
    request: { ...bash("mkdir -p results/x; echo 1 > results/x/a.csv"), outputDir: "results" },
    kept: ["x/a.csv"]
  },
  {
    name: "where to write is in the environment",
    request: bash('echo 1 > "$SANDBOX_OUTPUT_DIR/a.csv"'),
    kept: ["a.csv"]
  },
  {
    name: "of the working directory only what the program made",
    request: {
      ...python("open('out.csv', 'w').write(open('in.csv').read() + '1')"),
      files: [{ path: "in.csv", content: "a\n" }],
      outputDir: "."
    },
    kept: ["out.csv"]
  },
  {
    name: "an input that the program changed is among what it made",
    request: { ...bash("echo more >> in.csv"), files: [{ path: "in.csv", content: "a\n" }], outputDir: "." },
    kept: ["in.csv"]
  },
  {
    name: "twenty-five files: the rest is counted",
    request: bash("for i in $(seq 25); do echo $i > output/$i.txt; done"),
    also: (result) => {
      assert.strictEqual(result.artifacts?.length, 20)
      assert.match(JSON.stringify({ ...result, artifacts: [] }), /\b5\b|2[1-5]\.txt/)
    }
  },
  {
    name: "files survive a program that fails",
    request: bash("echo 1 > output/a.csv; exit 1"),
    verdict: "NonZeroExit",
    kept: ["a.csv"]
  },
  {
    name: "files survive a program that takes too long",
    request: { ...bash("echo 1 > output/a.csv; sleep 60"), timeout: 1 },
    verdict: "TimeLimitExceeded",
    kept: ["a.csv"]
  }
]
