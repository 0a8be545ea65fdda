import { Option } from "effect"
import { html, Parser, type Token, type TreeAdapter, type TreeAdapterTypeMap } from "parse5"
import * as ActiveContent from "./ActiveContent.js"
import { byHead, type Inspector } from "./Inspector.js"
import { markedEncoding, utf8 } from "./Text.js"

/** Browsers nest no deeper. */
const mostDepth = 512

/** Characters of a text or a value that are kept: more than any that counts has. */
const mostValue = 65_536

/** What is kept of the page's tree: what the parser looks up of elements that are open. */
interface Node {
  readonly name: string
  readonly namespace: html.NS
  readonly attributes: Array<Token.Attribute>
  parent: Node | undefined
  content: Node | undefined
}

const node = (name: string, namespace = html.NS.HTML, attributes: Array<Token.Attribute> = []): Node => ({
  name,
  namespace,
  attributes,
  parent: undefined,
  content: undefined
})

type Nodes = TreeAdapterTypeMap<Node, Node, Node, Node, Node, Node, Node, Node, Node, Node>

const contentType = /charset\s*=\s*["']?\s*([^\s"';]+)/i

/** The encoding that an element says the page is in. */
const declaredEncoding = ({ attributes, name }: Node) => {
  if (name !== "meta") return undefined
  const valueOf = (wanted: string) => attributes.find((attribute) => attribute.name === wanted)?.value
  if (valueOf("http-equiv")?.trim().toLowerCase() !== "content-type") return valueOf("charset")
  return valueOf("charset") ?? contentType.exec(valueOf("content") ?? "")?.[1]
}

const decoderFor = Option.liftThrowable((label: string) => new TextDecoder(label))

/** In all encodings of browsers but one, bytes of ASCII are what they seem. */
const isHiding = (label: string) =>
  Option.match(decoderFor(label.trim()), {
    onNone: () => true,
    onSome: ({ encoding }) => encoding === "iso-2022-jp"
  })

const flawOfElement = (element: Node) => {
  const encoding = declaredEncoding(element)
  const isLong = element.name === "meta" && element.attributes.some(({ value }) => value.length >= mostValue)
  if (isLong || (encoding !== undefined && isHiding(encoding)))
    return "it asks for an encoding that may hide active content"
  const active = ActiveContent.activeIn(element)
  return active === undefined ? undefined : ActiveContent.flawOf(active)
}

/** Builds no tree, and tells of each element as a browser's parser would make it. */
const adapter = (look: (element: Node) => void, tooDeep: () => void): TreeAdapter<Nodes> => {
  let mode = html.DOCUMENT_MODE.NO_QUIRKS
  let depth = 0
  const created = (element: Node) => {
    look(element)
    return element
  }
  const append = (parent: Node, child: Node) => {
    child.parent = parent
  }
  const nothing = () => {}
  return {
    createDocument: () => node("#document"),
    createDocumentFragment: () => node("#document-fragment"),
    createElement: (name, namespace, attributes) => created(node(name, namespace, attributes)),
    createCommentNode: () => node("#comment"),
    createTextNode: () => node("#text"),
    adoptAttributes: (element, attributes) => look({ ...element, attributes }),
    appendChild: append,
    insertBefore: append,
    insertText: nothing,
    insertTextBefore: nothing,
    detachNode: (child) => {
      child.parent = undefined
    },
    setTemplateContent: (template, content) => {
      template.content = content
    },
    getTemplateContent: (template) => template.content ?? template,
    setDocumentType: nothing,
    setDocumentMode: (_, next) => {
      mode = next
    },
    getDocumentMode: () => mode,
    getFirstChild: () => null,
    getChildNodes: () => [],
    getParentNode: ({ parent }) => parent ?? null,
    getAttrList: ({ attributes }) => attributes,
    getTagName: ({ name }) => name,
    getNamespaceURI: ({ namespace }) => namespace,
    getTextNodeContent: () => "",
    getCommentNodeContent: () => "",
    getDocumentTypeNodeName: () => "",
    getDocumentTypeNodePublicId: () => "",
    getDocumentTypeNodeSystemId: () => "",
    isTextNode: (each): each is Node => each.name === "#text",
    isCommentNode: (each): each is Node => each.name === "#comment",
    isDocumentTypeNode: (_): _ is Node => false,
    isElementNode: (each): each is Node => !each.name.startsWith("#"),
    setNodeSourceCodeLocation: nothing,
    getNodeSourceCodeLocation: () => undefined,
    updateNodeSourceCodeLocation: nothing,
    onItemPush: () => {
      depth += 1
      if (depth > mostDepth) tooDeep()
    },
    onItemPop: () => {
      depth -= 1
    }
  }
}

/** The parser collects texts and values whole. Of long ones no more is kept than tells what they are. */
const shorten = (tokenizer: Parser<Nodes>["tokenizer"]) => {
  const { currentAttr, currentCharacterToken } = tokenizer as unknown as {
    readonly currentAttr?: { value?: string }
    readonly currentCharacterToken?: { chars?: string } | null
  }
  const { value = "" } = currentAttr ?? {}
  if (currentAttr && value.length > 2 * mostValue) {
    currentAttr.value = value.replaceAll(/[\0- ]+/g, "").slice(0, mostValue)
  }
  if (currentCharacterToken && (currentCharacterToken.chars ?? "").length > mostValue) {
    currentCharacterToken.chars = (currentCharacterToken.chars ?? "").slice(-1)
  }
}

const notTold = "it is not UTF-8, so that it cannot be told whether it has active content"

const inspectorOf = (head: Uint8Array): Inspector => {
  const marked = markedEncoding(head)
  if (marked?.startsWith("utf-32")) return { push: () => notTold, end: () => notTold }
  const decoder = new TextDecoder(marked ?? "utf-8")
  const encoding = utf8()
  let flaw: string | undefined
  const parser = new Parser<Nodes>({
    treeAdapter: adapter(
      (element) => {
        flaw ??= flawOfElement(element)
      },
      () => {
        flaw ??= `its elements are nested more than ${mostDepth} deep`
        parser.stopped = true
      }
    )
  })
  const write = (text: string) => {
    parser.tokenizer.write(text, false)
    shorten(parser.tokenizer)
  }
  return {
    push: (bytes) => {
      if (marked === undefined) encoding.push(bytes)
      // The parser copies what it has of a long text for each piece that it is given: pieces as large as they come.
      if (flaw === undefined) write(decoder.decode(bytes, { stream: true }))
      return flaw
    },
    end: () => {
      if (flaw === undefined) parser.tokenizer.write(decoder.decode(), true)
      return flaw ?? (encoding.end() ? undefined : notTold)
    }
  }
}

/** HTML in which a browser finds nothing to run, by what its parser makes of it. */
export const passive = (): Inspector => byHead(4, inspectorOf)
