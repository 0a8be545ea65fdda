import type { JSX } from "preact"
import { useEffect, useLayoutEffect, useRef } from "preact/hooks"
import * as Live from "./api/Live.js"
import { isSignedIn, session, signOut } from "./api/Session.js"
import { Audit } from "./pages/Audit.js"
import { Executions } from "./pages/Executions.js"
import { Execution } from "./pages/execution/Execution.js"
import { Limits } from "./pages/Limits.js"
import { Overview } from "./pages/Overview.js"
import { Replicas, useReplicaCount } from "./pages/Replicas.js"
import { SignIn } from "./pages/SignIn.js"
import { Users } from "./pages/Users.js"
import { Webhooks } from "./pages/Webhooks.js"
import { type Theme, theme, themes } from "./parts/Theme.js"
import { type Route, route, to } from "./Routes.js"

const pages = {
  overview: { title: "Overview", show: () => <Overview /> },
  executions: {
    title: "Executions",
    show: (route: Route) =>
      route.id === undefined ? <Executions route={route} /> : <Execution key={route.id} id={route.id} />
  },
  users: { title: "Users", show: () => <Users /> },
  webhooks: { title: "Webhooks", show: (route: Route) => <Webhooks route={route} /> },
  limits: { title: "Limits", show: () => <Limits /> },
  audit: { title: "Audit", show: () => <Audit /> },
  replicas: { title: "Replicas", show: () => <Replicas /> }
} satisfies Record<string, { title: string; show: (route: Route) => JSX.Element }>

const isPage = (name: string): name is keyof typeof pages => Object.hasOwn(pages, name)

const Connection = () => (
  <span class={`connection ${Live.isConnected.value ? "on" : "off"}`} role="status">
    {Live.isConnected.value ? "Live" : "Reconnecting…"}
  </span>
)

const Links = ({ current }: { readonly current: string }) => {
  const isAlone = useReplicaCount() === 0
  return (
    <nav aria-label="Pages of the dashboard">
      {Object.entries(pages)
        .filter(([name]) => name !== "replicas" || !isAlone || name === current)
        .map(([name, { title }]) => (
          <a key={name} href={to(name)} {...(name === current && { "aria-current": "page" as const })}>
            {title}
          </a>
        ))}
    </nav>
  )
}

const Head = ({ current }: { readonly current: string }) => (
  <header class="head">
    <a class="brand" href={to("overview")}>
      Bulkhead
    </a>
    <Links current={current} />
    <Connection />
    <label>
      <span class="sr-only">Theme</span>
      <select
        value={theme.value}
        onChange={({ currentTarget }) => {
          theme.value = currentTarget.value as Theme
        }}
      >
        {themes.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
    <button type="button" onClick={() => signOut()}>
      Sign out
    </button>
  </header>
)

/** The pages, for who is signed in. */
const Pages = () => {
  const main = useRef<HTMLElement>(null)
  const { id, page } = route.value
  const current = isPage(page) ? page : "overview"

  useEffect(() => {
    if (!isSignedIn.value) return
    const controller = new AbortController()
    Live.follow(controller.signal)
    return () => controller.abort()
  }, [isSignedIn.value])

  const isFirst = useRef(true)
  // Before anybody can be anywhere in the new page: later, the focus would be taken from where they are.
  useLayoutEffect(() => {
    document.title = `${pages[current].title} · Bulkhead`
    // Whoever follows a link by keyboard or ear goes on with the new page.
    if (!isFirst.current) main.current?.focus()
    isFirst.current = false
  }, [current, id])

  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <Head current={current} />
      <main ref={main} tabIndex={-1}>
        {pages[current].show(route.value)}
      </main>
    </>
  )
}

/** The pages stay where they are when a session ends by itself, out of sight, with what somebody was writing there. */
const Kept = () => {
  const left = useRef<Element | null>(null)
  const isShown = isSignedIn.value
  useLayoutEffect(() => {
    if (!isShown) left.current = document.activeElement
    else if (left.current instanceof HTMLElement) left.current.focus()
  }, [isShown])
  return (
    <div hidden={!isShown}>
      <Pages />
    </div>
  )
}

export const App = () => (
  <>
    {session.value !== undefined && <Kept />}
    {!isSignedIn.value && <SignIn />}
  </>
)
