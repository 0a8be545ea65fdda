import { useLayoutEffect, useRef, useState } from "preact/hooks"
import { post, segment, wordsOf } from "../api/Requests.js"
import { isSignedIn } from "../api/Session.js"
import { Failure } from "./Notice.js"

interface KillProps {
  readonly executionId: string
  /** Whether it was ended. */
  readonly onClose: (isKilled: boolean) => void
}

/** Asks why, and ends an execution. */
export const KillDialog = ({ executionId, onClose }: KillProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [reason, setReason] = useState("")
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()

  // Out of sight it would still keep everybody from signing in.
  useLayoutEffect(() => {
    if (isSignedIn.value) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isSignedIn.value])

  const kill = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setFailure(undefined)
    const body = reason === "" ? {} : { reason }
    await post(`/api/sandbox/kill/${segment(executionId)}`, body).then(
      () => onClose(true),
      (failed) => {
        setBusy(false)
        setFailure(wordsOf(failed))
      }
    )
  }

  return (
    <dialog ref={dialog} aria-labelledby="kill-title" onClose={() => isSignedIn.value && onClose(false)}>
      <form onSubmit={kill}>
        <h2 id="kill-title">End this execution?</h2>
        <p>
          <code>{executionId}</code>
        </p>
        <p class="quiet">Its program gets SIGTERM, and SIGKILL after the grace. Its output so far is kept.</p>
        <label for="kill-reason">Why, for the log and the result</label>
        <input
          id="kill-reason"
          value={reason}
          maxLength={200}
          placeholder="admin_request"
          autocomplete="off"
          onInput={({ currentTarget }) => setReason(currentTarget.value)}
        />
        <Failure message={failure} />
        <div class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
          <button type="submit" class="danger" disabled={isBusy}>
            End it
          </button>
        </div>
      </form>
    </dialog>
  )
}
