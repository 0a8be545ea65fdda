import { signal } from "@preact/signals"
import { query as queryOf, segment } from "./api/Requests.js"

/** Where the operator is: `#/executions/exec_1?x=y`. What is sensitive is never in it. */
export interface Route {
  readonly page: string
  readonly id: string | undefined
  readonly query: Readonly<Record<string, string>>
}

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const parse = (hash: string): Route => {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2)
  const [page = "", id] = path.split("/", 2)
  return {
    page: page || "overview",
    id: id === undefined || id === "" ? undefined : decoded(id),
    query: Object.fromEntries(new URLSearchParams(query))
  }
}

export const route = signal(parse(location.hash))

addEventListener("hashchange", () => {
  route.value = parse(location.hash)
})

export const to = (page: string, id?: string, query: Readonly<Record<string, string | undefined>> = {}) => {
  const path = id === undefined ? page : `${page}/${segment(id)}`
  return `#/${path}${queryOf(query)}`
}

/**
 * Puts another filter into the address of a page that is shown, without a new entry in the history. A field that is
 * left because its page goes says so too, and must not bring it back.
 */
export const filterBy = (page: string, query: Readonly<Record<string, string | undefined>>) => {
  if (route.value.page !== page || route.value.id !== undefined) return
  const hash = to(page, undefined, query)
  history.replaceState(null, "", hash)
  route.value = parse(hash)
}
