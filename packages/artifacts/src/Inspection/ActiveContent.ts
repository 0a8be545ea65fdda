/** An element as a parser of HTML or XML has read it. */
export interface Element {
  /** The address of its namespace. */
  readonly namespace: string
  /** Its local name. */
  readonly name: string
  readonly attributes: ReadonlyArray<Attribute>
}

export interface Attribute {
  /** Its local name. */
  readonly name: string
  readonly value: string
}

const html = "http://www.w3.org/1999/xhtml"
export const svg = "http://www.w3.org/2000/svg"
const mathml = "http://www.w3.org/1998/Math/MathML"

/** Elements that run something, or that take in what may. */
const activeElements: Readonly<Record<string, ReadonlySet<string>>> = {
  [html]: new Set("script iframe frame object embed applet base portal fencedframe".split(" ")),
  [svg]: new Set("script handler listener iframe object embed".split(" ")),
  [mathml]: new Set()
}

/** Addresses of pages: a browser shows images of these types only as images. */
const pageAddress = /^data:(?:text\/(?:html|xml)|application\/|image\/svg)/
const scriptAddress = /^(?:java|vb|live)script:/

/** As browsers read addresses: spaces and controls at the beginning do not count, nor tabs and line ends anywhere. */
const address = (value: string) =>
  value
    .replace(/^[\0- ]+|[\t\n\r]/g, "")
    .slice(0, 64)
    .toLowerCase()

const flawOfAttribute = (element: Element, { name, value }: Attribute) => {
  const lower = name.toLowerCase()
  if (/^on./.test(lower)) return `a handler (${lower.slice(0, 32)})`
  if (lower === "srcdoc") return "a frame (srcdoc)"
  const target = address(value)
  if (scriptAddress.test(target)) return "a script's address"
  const isImage = element.name === "img" || element.name === "image"
  return pageAddress.test(target) && !isImage ? "a page in an address" : undefined
}

const attribute = ({ attributes }: Element, name: string) =>
  attributes
    .find((each) => each.name.toLowerCase() === name)
    ?.value.trim()
    .toLowerCase() ?? ""

/** Animations of SVG can set what an attribute of their parent says. */
const isAnimated = (name: string) => name.startsWith("on") || /(?:^|:)href$/.test(name)

const flawOfUse = (element: Element) => {
  if (element.namespace === html && attribute(element, "http-equiv") === "refresh") return "a redirection"
  const isAnimation = element.namespace === svg && isAnimated(attribute(element, "attributename"))
  return isAnimation ? "an animation of an address or a handler" : undefined
}

/** What of an element a browser would run, if anything. Elements of other namespaces are data. */
export const activeIn = (element: Element): string | undefined => {
  const active = activeElements[element.namespace]
  if (active === undefined) return undefined
  if (active.has(element.name)) return `the element ${element.name}`
  for (const each of element.attributes) {
    const flaw = flawOfAttribute(element, each)
    if (flaw !== undefined) return flaw
  }
  return flawOfUse(element)
}

/** What is wrong with a file that has active content where none is kept. */
export const flawOf = (what: string) => `it has active content: ${what}`
