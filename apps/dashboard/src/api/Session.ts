import type { ExecutionState, LimitValues, Verdict, WebhookMessageState } from "@bulkhead/domain"
import { computed, signal } from "@preact/signals"
import * as Requests from "./Requests.js"

/** The server's words: see `Vocabulary.ts` there. */
export interface Session {
  /** Milliseconds since the epoch. */
  readonly endsAt: number
  readonly states: ReadonlyArray<ExecutionState>
  readonly verdicts: ReadonlyArray<Verdict>
  readonly messageStates: ReadonlyArray<WebhookMessageState>
  readonly limits: ReadonlyArray<{
    readonly name: keyof LimitValues
    readonly meaning: string
    readonly isFixed: boolean
  }>
}

/** The last one, also when it has ended by itself. Undefined: there was none, or the operator signed out. */
export const session = signal<Session | undefined>(undefined)

export const isSignedIn = computed(() => session.value !== undefined && !Requests.isSignedOut.value)

/** Finds out whether somebody is signed in. A server that cannot be reached says nothing of it. */
export const look = async (): Promise<void> => {
  session.value = await Requests.send("/session").then(
    (response): Promise<Session | undefined> =>
      response.status === 204 ? Promise.resolve(undefined) : response.json(),
    () => session.value
  )
  Requests.isSignedOut.value = false
}

/** Fails with what to tell the operator. The token is sent once and kept nowhere. */
export const signIn = async (token: string): Promise<void> => {
  await Requests.send("/session", { method: "POST", headers: { authorization: `Bearer ${token}` } })
  await look()
}

/** A server that cannot be reached goes on with the session, and so does the page. */
export const signOut = (): Promise<void> =>
  Requests.send("/session", { method: "DELETE" }).then(
    () => {
      session.value = undefined
    },
    () => undefined
  )
