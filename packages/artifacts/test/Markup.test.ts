import { UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, FastCheck } from "effect"
import { AllowedArtifacts, layer } from "../src/AllowedArtifacts.js"
import type { Whitelist } from "../src/ArtifactKinds.js"
import { text } from "./ArtifactFixture.js"
import { flawOf } from "./Inspecting.js"

const passive: Effect.Effect<Whitelist> = Effect.flatMap(AllowedArtifacts, ({ of }) =>
  of(UserId.make("ann"))
).pipe(Effect.provide(layer({ activeContent: "refuse" })))

const flawWherePassive = (name: string, content: Uint8Array, piece = 65_536) =>
  Effect.flatMap(passive, (whitelist) => flawOf(name, content, { whitelist, piece }))

const svg = (inner: string, attributes = "") =>
  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"${attributes}>${inner}</svg>`

describe("markup that is kept, also where nothing active is", () => {
  const rows: ReadonlyArray<readonly [string, string, string]> = [
    ["a table of pandas", "a.html", '<table border="1" class="dataframe"><tr><td>1</td></tr></table>'],
    [
      "a page's content type",
      "a.html",
      '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head></html>'
    ],
    [
      "text about scripts",
      "a.html",
      "<pre>&lt;script&gt; onload=1, javascript:void(0)</pre><title><script></title><!-- <script> -->"
    ],
    [
      "attributes that are no handlers",
      "a.html",
      '<p data-onload="1" title="onerror=1 <script>" class=once>'
    ],
    [
      "a picture in an address",
      "a.html",
      '<img src="data:image/png;base64,iVBORw0="><img src="data:image/svg+xml,x">'
    ],
    ["a page in Latin-1", "a.htm", "<meta charset=iso-8859-1><p>plain</p>"],
    ["a drawing in a page", "a.html", "<svg><style>*{}</style><foreignObject><p>a</p></foreignObject></svg>"],
    ["annotations of Pascal VOC", "a.xml", "<annotation><object><name>dog</name></object></annotation>"],
    [
      "data about scripts",
      "a.xml",
      '<notes onset="3" script="javascript:x"><script>a</script><base/><frame/></notes>'
    ],
    [
      "a score",
      "a.musicxml",
      '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd"><score-partwise/>'
    ],
    ["an older encoding", "a.xml", "<?xml version='1.0' encoding='windows-1252'?><a/>"],
    ["an older encoding as Python calls it", "a.xml", "<?xml version='1.0' encoding='latin-1'?><a/>"],
    [
      "styles and fonts",
      "a.svg",
      svg(
        '<defs><style type="text/css">@font-face{src:url(data:font/woff2;base64,AA==)}</style><font><glyph/></font></defs><text>a</text>'
      )
    ],
    [
      "a drawing of matplotlib",
      "a.svg",
      `<?xml version="1.0" encoding="utf-8" standalone="no"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"\n  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n${svg('<use xlink:href="#a"/>')}`
    ],
    [
      "labels of mermaid",
      "a.svg",
      svg('<foreignObject><div xmlns="http://www.w3.org/1999/xhtml"><span>a</span></div></foreignObject>')
    ],
    ["an animation", "a.svg", svg('<circle><animate attributeName="r" to="2"/></circle>')],
    ["a page as XML", "a.xhtml", '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>a</p></body></html>']
  ]
  for (const [what, name, content] of rows) {
    it.effect(what, () =>
      Effect.gen(function* () {
        for (const piece of [1, 65_536]) {
          assert.isUndefined(yield* flawOf(name, text(content), { piece }))
          assert.isUndefined(yield* flawWherePassive(name, text(content), piece))
        }
      })
    )
  }
})

describe("markup that is kept where active content is", () => {
  const active = "it has active content"
  const rows: ReadonlyArray<readonly [string, string, string, string]> = [
    [
      "a chart of plotly",
      "a.html",
      '<div id=c></div><script src="https://cdn.example/p.js"></script>',
      `${active}: the element script`
    ],
    ["a handler", "a.html", "<img\nonerror\n=alert(1)>", `${active}: a handler (onerror)`],
    ["a handler of the body", "a.html", "<p>a<body onload=1>", `${active}: a handler (onload)`],
    [
      "a handler behind a broken tag",
      "a.html",
      "<img src='a\"><p title='><img src=x onerror=alert(1)>",
      `${active}: a handler (onerror)`
    ],
    [
      "a script behind what looks like one's text",
      "a.html",
      "<style></style><title></title><svg><style><script>1</script></style></svg>",
      `${active}: the element script`
    ],
    [
      "a script that a page without scripts would read as text",
      "a.html",
      '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
      `${active}: a handler (onerror)`
    ],
    ["a template", "a.html", "<template><script>1</script></template>", `${active}: the element script`],
    ["a frame", "a.html", "<iframe src=x>", `${active}: the element iframe`],
    ["a frame set", "a.html", "<frameset><frame src=x></frameset>", `${active}: the element frame`],
    ["an object", "a.html", "<object data=x>", `${active}: the element object`],
    ["a base", "a.html", "<base href=//x>", `${active}: the element base`],
    ["a redirection", "a.html", "<meta http-equiv=Refresh content=0>", `${active}: a redirection`],
    ["a script's address", "a.html", "<a href=javascript:alert(1)>", `${active}: a script's address`],
    [
      "one in references",
      "a.html",
      "<a href='&#x6A;avas&#99;ript&colon;alert(1)'>",
      `${active}: a script's address`
    ],
    ["one in pieces", "a.html", "<a href=' java\n\tscript&Tab;:alert(1)'>", `${active}: a script's address`],
    [
      "one behind controls",
      "a.html",
      "<a href='\x01\x1fjavascript:alert(1)'>",
      `${active}: a script's address`
    ],
    ["a page in an address", "a.html", "<a href='data:text/html,x'>", `${active}: a page in an address`],
    [
      "an encoding that hides",
      "a.html",
      "<meta charset=utf-7>+ADw-script+AD4-",
      "it asks for an encoding that may hide active content"
    ],
    [
      "another one",
      "a.html",
      "<meta http-equiv=content-type content='text/html; charset=iso-2022-jp'>",
      "it asks for an encoding that may hide active content"
    ],
    ["a script in an SVG", "a.svg", svg("<script>1</script>"), `${active}: the element script`],
    [
      "one in a namespace",
      "a.svg",
      '<x:svg xmlns:x="http://www.w3.org/2000/svg"><x:script>1</x:script></x:svg>',
      `${active}: the element script`
    ],
    [
      "one of a page's",
      "a.svg",
      svg('<h:script xmlns:h="http://www.w3.org/1999/xhtml"/>'),
      `${active}: the element script`
    ],
    ["one without a namespace", "a.svg", "<svg><script>1</script></svg>", `${active}: the element script`],
    [
      "one in other data",
      "a.xml",
      '<a><s:script xmlns:s="http://www.w3.org/2000/svg"/></a>',
      `${active}: the element script`
    ],
    ["a handler of an SVG", "a.svg", svg("", " onload='alert(1)'"), `${active}: a handler (onload)`],
    [
      "an address that is set",
      "a.svg",
      svg('<a><set attributeName="xlink:href" to="javascript:1"/></a>'),
      `${active}: a script's address`
    ],
    [
      "one that is animated",
      "a.svg",
      svg('<a><animate attributeName="href" values="a;b"/></a>'),
      `${active}: an animation of an address or a handler`
    ],
    [
      "a page in the address of an SVG",
      "a.svg",
      svg("<use href='data:image/svg+xml,x'/>"),
      `${active}: a page in an address`
    ],
    ["a style sheet that may run", "a.xml", "<?xml-stylesheet href='x'?><a/>", `${active}: a style sheet`],
    [
      "entities",
      "a.svg",
      `<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]>${svg("")}`,
      "it declares entities or attributes"
    ],
    [
      "attributes",
      "a.svg",
      `<!DOCTYPE svg [<!ATTLIST svg onload CDATA "1">]>${svg("")}`,
      "it declares entities or attributes"
    ],
    [
      "what is not well-formed",
      "a.svg",
      svg("<a>"),
      "it is not well-formed, so that it cannot be told whether it has active content"
    ],
    [
      "a page that is no XML",
      "a.xml",
      "<html><br></html>",
      "it is not well-formed, so that it cannot be told whether it has active content"
    ]
  ]
  for (const [what, name, content, flaw] of rows) {
    it.effect(what, () =>
      Effect.gen(function* () {
        assert.isUndefined(yield* flawOf(name, text(content)))
        for (const piece of [1, 65_536])
          assert.strictEqual(yield* flawWherePassive(name, text(content), piece), flaw)
      })
    )
  }

  it.effect("behind more than a parser keeps of a value", () =>
    Effect.gen(function* () {
      for (const filler of ["\n", " ", "\x01"]) {
        const much = filler.repeat(200_000)
        const address = yield* flawWherePassive("a.html", text(`<a href='${much}javascript:1'>`))
        assert.strictEqual(address, `${active}: a script's address`)
      }
      const inside = yield* flawWherePassive("a.html", text(`<a href='java${"\n".repeat(200_000)}script:1'>`))
      assert.strictEqual(inside, `${active}: a script's address`)
      const meta = `<meta http-equiv=content-type content='${"x".repeat(200_000)}charset=iso-2022-jp'>`
      assert.include(yield* flawWherePassive("a.html", text(meta)), "may hide active content")
    })
  )

  it.effect("in UTF-16, and not in an encoding that cannot be told", () =>
    Effect.gen(function* () {
      const page = Buffer.from("\ufeff<script>1</script>", "utf16le")
      for (const content of [page, Buffer.from(page).swap16()])
        assert.strictEqual(yield* flawWherePassive("a.html", content), `${active}: the element script`)
      assert.isUndefined(yield* flawWherePassive("a.html", Buffer.from("\ufeff<p>1</p>", "utf16le")))
      const latin1 = Buffer.from("<p>caf\xe9</p>", "latin1")
      assert.isUndefined(yield* flawOf("a.html", latin1))
      assert.include(yield* flawWherePassive("a.html", latin1), "it is not UTF-8, so that it cannot be told")
    })
  )
})

describe("XML that is refused everywhere", () => {
  const entities = "it declares entities that are long, or refer to files or to other entities"
  const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join("")
  const rows: ReadonlyArray<readonly [string, string, string, string]> = [
    ["a file", "a.xml", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", entities],
    ["a public one", "a.kml", "<!DOCTYPE a [<!ENTITY b PUBLIC 'x' 'http://x'>]><a>&b;</a>", entities],
    ["a parameter", "a.xml", "<!DOCTYPE a [<!ENTITY % b 'c'>%b;]><a/>", entities],
    ["laughs without end", "a.svg", `<!DOCTYPE svg [<!ENTITY l0 "lol">${laughs}]>${svg("&l9;")}`, entities],
    ["something long", "a.xml", `<!DOCTYPE a [<!ENTITY b "${"b".repeat(300)}">]><a>&b;</a>`, entities],
    [
      "one behind a byte order mark",
      "a.xml",
      "\ufeff<!DOCTYPE a [<!ENTITY b SYSTEM 'x'>]><a>&b;</a>",
      entities
    ],
    ["one behind what is no XML", "a.xml", "x<!DOCTYPE a [<!ENTITY b SYSTEM 'x'>]><a>&b;</a>", entities],
    [
      "one far behind what is no XML",
      "a.xml",
      `x${" ".repeat(9000)}<!DOCTYPE a [<!ENTITY b SYSTEM 'x'>]><a>&b;</a>`,
      entities
    ],
    [
      "an encoding that is said late",
      "a.xml",
      `<?xml version='1.0'${" ".repeat(1500)}encoding='utf-7'?>+ADwAIQ-DOCTYPE`,
      "it asks for an encoding that is not known"
    ],
    [
      "an encoding that hides it",
      "a.xml",
      "<?xml version='1.0' encoding='utf-7'?>+ADwAIQ-DOCTYPE",
      "it asks for an encoding that is not known"
    ],
    [
      "a page as an SVG",
      "a.svg",
      "<!doctype html><p>a</p>",
      "its content is not what its name says: it has no svg element"
    ],
    ["other XML as an SVG", "a.svg", "<a/>", "its content is not what its name says: it has no svg element"],
    ["nothing as an SVG", "a.svg", "", "it is empty"],
    [
      "a beginning without end",
      "a.xml",
      `<!--${"a".repeat(1_100_000)}`,
      "its first element does not begin within a MB"
    ]
  ]
  for (const [what, name, content, flaw] of rows) {
    it.effect(what, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* flawOf(name, text(content)), flaw)
        if (content.length < 10_000)
          assert.strictEqual(yield* flawOf(name, text(content), { piece: 1 }), flaw)
      })
    )
  }

  it.effect("in the encodings of mainframes", () =>
    Effect.map(flawOf("a.xml", Buffer.from("4c6fa7949340a58599a28996957e7df14bf07d6f6e", "hex")), (flaw) =>
      assert.strictEqual(flaw, "it asks for an encoding that is not known")
    )
  )

  it.effect("in UTF-16 too", () =>
    Effect.map(
      flawOf("a.xml", Buffer.from("\ufeff<!DOCTYPE a [<!ENTITY b SYSTEM 'x'>]><a/>", "utf16le")),
      (flaw) => assert.strictEqual(flaw, entities)
    )
  )

  it.effect(
    "but not short names for what is always the same, as drawing programs declare, nor what is no XML",
    () =>
      Effect.gen(function* () {
        const doctype =
          '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd" [<!ENTITY ns_svg "http://www.w3.org/2000/svg"><!ENTITY nbsp "&#160;">]>'
        assert.isUndefined(yield* flawOf("a.svg", text(`${doctype}<svg xmlns="&ns_svg;">&nbsp;</svg>`)))
        for (const content of [
          "",
          "no XML",
          "<a><b></a>",
          "<a>&unknown;</a>",
          "<a/><b/>",
          '<a t="<!ENTITY"/><!-- <!ENTITY -->'
        ])
          assert.isUndefined(yield* flawOf("a.xml", text(content)), content)
      })
  )
})

describe("markup that is made to be slow", () => {
  const megabyte = 1_000_000
  const rows: ReadonlyArray<readonly [string, string, string]> = [
    ["open elements", "a.html", "<div>"],
    ["formatting elements", "a.html", "<b id=x><p>"],
    ["formatting elements that differ", "a.html", "<a><font><b><i><u></p><p>"],
    ["open tables", "a.html", "<table><tr><td>"],
    ["half tags", "a.html", "<a"],
    ["references", "a.html", "&#x"],
    ["attributes", "a.html", " onabc"],
    ["comments", "a.html", "<!--"],
    ["open elements of XML", "a.xml", "<a>"],
    ["open elements of an SVG", "a.svg", "<svg>"],
    ["half tags of XML", "a.xml", "<a"],
    ["half declarations", "a.xml", "<!DOCTYPE a [<!ENTITY "],
    ["entities", "a.xml", '<!ENTITY a "b">']
  ]
  for (const [what, name, piece] of rows) {
    it.effect(`${what} are looked through in time`, () =>
      Effect.gen(function* () {
        const content = text(piece.repeat(megabyte / piece.length))
        const [took] = yield* Effect.timed(Effect.zip(flawOf(name, content), flawWherePassive(name, content)))
        assert.isBelow(Duration.toMillis(took), 5000)
      }).pipe(Effect.withClock(Clock.make()))
    )
  }
})

describe("whatever markup comes", () => {
  const tags =
    "<p> </p> <a href='x'> <svg> </svg> <math> <table> <tr> <td> <select> <option> <template> </template> <style> </style> <title> </title> <!-- --> <textarea> </textarea> <b> </b> <form> <foreignObject> <mi> <noscript> </noscript> <![CDATA[ ]]> text".split(
      " "
    )
  const pages = FastCheck.array(FastCheck.constantFrom(...tags), { maxLength: 20 })

  it.effect.prop(
    "is found to be active or not, the same however it is cut",
    [
      pages,
      FastCheck.constantFrom("<img src=x onerror=1>", "<script>1</script>", "<p>"),
      pages,
      FastCheck.integer({ min: 1, max: 16 })
    ],
    ([before, middle, after, piece]) =>
      Effect.gen(function* () {
        const content = text([...before, middle, ...after].join(""))
        for (const name of ["a.html", "a.svg", "a.xml"]) {
          const whole = yield* flawWherePassive(name, content)
          assert.strictEqual(yield* flawWherePassive(name, content, piece), whole)
          assert.strictEqual(yield* flawOf(name, content, { piece }), yield* flawOf(name, content))
        }
      }),
    { fastCheck: { numRuns: 50 } }
  )
})
