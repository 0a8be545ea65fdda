import { useState } from "preact/hooks"
import { Refused, wordsOf } from "../api/Requests.js"
import { signIn } from "../api/Session.js"
import { Failure } from "../parts/Notice.js"

/** Printable ASCII characters, as the server has it. */
const isToken = /^[\x21-\x7e]+$/

/** The token is in the field until it is sent, and then in nothing that the page can read. */
export const SignIn = () => {
  const [token, setToken] = useState("")
  const [failure, setFailure] = useState<string>()

  const submit = async (event: Event) => {
    event.preventDefault()
    setFailure(undefined)
    const given = token.trim()
    setToken("")
    // What is no token cannot be put in a header.
    const sent = isToken.test(given) ? signIn(given) : Promise.reject(new Refused(401, "This is no token"))
    await sent.catch((failed) => setFailure(wordsOf(failed)))
  }

  return (
    <main class="sign-in">
      <form onSubmit={submit}>
        <h1>Bulkhead</h1>
        <input type="text" autocomplete="username" value="operator" readOnly hidden />
        <label for="token">Admin token</label>
        <input
          id="token"
          type="password"
          value={token}
          autocomplete="current-password"
          required
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
        />
        <p class="quiet">
          The server printed it when it started, or it is in <code>ADMIN_API_TOKEN</code>.
        </p>
        <Failure message={failure} />
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
    </main>
  )
}
