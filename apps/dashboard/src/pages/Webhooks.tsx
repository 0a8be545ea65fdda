import type { StandingWebhooks, Webhook, WebhookDelivery, WebhookEvent } from "@bulkhead/domain"
import { useRef, useState } from "preact/hooks"
import { interval } from "../api/Beat.js"
import { revision, tick } from "../api/Live.js"
import { get, post, put, query, segment, wordsOf } from "../api/Requests.js"
import { session } from "../api/Session.js"
import { useLoaded } from "../api/useLoaded.js"
import { Mark } from "../parts/Marks.js"
import { Empty, Failure, Status } from "../parts/Notice.js"
import { Scroll } from "../parts/Scroll.js"
import { Text } from "../parts/Text.js"
import { UserField } from "../parts/UserField.js"
import { filterBy, type Route, to } from "../Routes.js"
import { iso, moment } from "../text/Format.js"
import { visible } from "../text/Visible.js"

interface MessagePage {
  readonly messages: ReadonlyArray<WebhookDelivery>
  readonly nextCursor?: string
}

const tones = { pending: "wait", delivered: "good", failed: "bad" } as const
const rows = 50

const Message = ({
  message,
  now,
  onResend
}: {
  readonly message: WebhookDelivery
  readonly now: number
  readonly onResend: () => void
}) => (
  <tr>
    <td>
      <time dateTime={iso(message.createdAt)}>{moment(message.createdAt, now)}</time>
    </td>
    <td>
      <Mark tone={tones[message.state]}>{message.state}</Mark>
    </td>
    <td>{message.event}</td>
    <td>
      <Text value={message.url} most={80} />
    </td>
    <td>
      <a href={to("executions", message.executionId)}>
        <code>{message.executionId}</code>
      </a>
    </td>
    <td class="number">{message.attempts}</td>
    <td>
      <Text value={message.outcome ?? ""} />
    </td>
    <td>
      {message.state === "failed" && (
        <button type="button" aria-label={`Send again ${message.messageId}`} onClick={onResend}>
          Send again
        </button>
      )}
    </td>
  </tr>
)

const columns = ["When", "State", "Event", "Where to", "Execution", "Tries", "What came of it", ""]

const Messages = ({
  userId,
  state
}: {
  readonly userId: string | undefined
  readonly state: string | undefined
}) => {
  const [cursors, setCursors] = useState<ReadonlyArray<string>>([])
  const [resends, setResends] = useState(0)
  const [status, setStatus] = useState("")
  const [refusal, setRefusal] = useState<string>()
  const cursor = cursors.at(-1)
  const path = `/api/sandbox/webhook-messages${query({ userId, state, limit: String(rows), cursor })}`
  const { failure, value } = useLoaded(
    (abort) => get<MessagePage>(path, abort),
    path,
    `${cursor === undefined ? revision.value : ""} ${resends}`,
    interval
  )
  const now = tick.value?.at ?? 0
  const next = value?.nextCursor

  const resend = async ({ messageId }: WebhookDelivery) => {
    setRefusal(undefined)
    await post(`/api/sandbox/webhook-messages/${segment(messageId)}/resend`).then(
      () => setStatus("It is sent again."),
      (failed) => setRefusal(wordsOf(failed))
    )
    setResends((count) => count + 1)
  }

  return (
    <>
      <Failure message={refusal ?? failure} />
      <Status>{status}</Status>
      {value?.messages.length === 0 && <Empty>There are none.</Empty>}
      {value !== undefined && value.messages.length > 0 && (
        <Scroll name="Messages">
          <table>
            <thead>
              <tr>
                {columns.map((name) =>
                  name === "" ? (
                    <td key={name} />
                  ) : (
                    <th key={name} scope="col" class={name === "Tries" ? "number" : ""}>
                      {name}
                    </th>
                  )
                )}
              </tr>
            </thead>
            <tbody>
              {value.messages.map((message) => (
                <Message
                  key={message.messageId}
                  message={message}
                  now={now}
                  onResend={() => resend(message)}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      <nav class="pages" aria-label="Pages">
        <button
          type="button"
          disabled={cursors.length === 0}
          onClick={() => setCursors(cursors.slice(0, -1))}
        >
          Newer
        </button>
        <button
          type="button"
          disabled={next === undefined}
          onClick={() => next !== undefined && setCursors([...cursors, next])}
        >
          Older
        </button>
      </nav>
    </>
  )
}

const events: ReadonlyArray<WebhookEvent> = ["execution.queued", "execution.started", "execution.completed"]

const isSame = (one: Webhook, other: Webhook) =>
  one.url === other.url && one.events.join() === other.events.join()

const without = (webhooks: ReadonlyArray<Webhook>, one: Webhook) =>
  webhooks.filter((other) => !isSame(one, other))

/** The webhooks that are told of every execution of a user. */
const Standing = ({ userId }: { readonly userId: string }) => {
  const path = `/api/sandbox/webhooks/${segment(userId)}`
  const [saves, setSaves] = useState(0)
  const [url, setUrl] = useState("")
  const [event, setEvent] = useState<WebhookEvent>("execution.completed")
  const [failure, setFailure] = useState<string>()
  const [status, setStatus] = useState("")
  const loaded = useLoaded((abort) => get<StandingWebhooks>(path, abort), path, saves)
  const webhooks = loaded.value?.webhooks ?? []
  const last = useRef<Promise<boolean>>(Promise.resolve(true))

  /**
   * Changes the list as the server has it by then, one change after the other. Nothing is lost of what others add, nor
   * of what is entered before the list is here. Whether it is changed.
   */
  const save = (change: (now: ReadonlyArray<Webhook>) => ReadonlyArray<Webhook>, words: string) => {
    setFailure(undefined)
    setStatus("")
    last.current = last.current
      .then(() => get<StandingWebhooks>(path))
      .then((now) => put(path, { webhooks: change(now.webhooks) }))
      .then(
        () => {
          setStatus(words)
          setSaves((count) => count + 1)
          return true
        },
        (failed) => {
          setFailure(wordsOf(failed))
          return false
        }
      )
    return last.current
  }

  const add = async (submitted: Event) => {
    submitted.preventDefault()
    const added: Webhook = { url: url.trim(), events: [event] }
    const isAdded = await save((now) => [...without(now, added), added], "It is added.")
    // What was written meanwhile is the next one.
    if (isAdded) setUrl((written) => (written === url ? "" : written))
  }

  const remove = (webhook: Webhook) => save((now) => without(now, webhook), "It is removed.")

  return (
    <section class="card">
      <h2>
        Standing webhooks of <Text value={userId} most={60} />
      </h2>
      <Failure message={failure ?? loaded.failure} />
      {loaded.value && webhooks.length === 0 && <Empty>There are none.</Empty>}
      <ul class="files">
        {webhooks.map((webhook, index) => (
          <li key={index}>
            <div class="file">
              <Text value={webhook.url} />
              <span class="quiet">{webhook.events.join(", ")}</span>
              <button
                type="button"
                aria-label={`Remove ${visible(webhook.url)}`}
                onClick={() => remove(webhook)}
              >
                Remove
              </button>
            </div>
          </li>
        ))}
      </ul>
      <form class="filters" aria-label="Another webhook" onSubmit={add}>
        <label>
          URL
          <input
            name="url"
            value={url}
            required
            maxLength={2048}
            spellcheck={false}
            autocomplete="off"
            onInput={({ currentTarget }) => setUrl(currentTarget.value)}
          />
        </label>
        <label>
          told of
          <select
            value={event}
            onChange={({ currentTarget }) => setEvent(currentTarget.value as WebhookEvent)}
          >
            {events.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary">
          Add
        </button>
      </form>
      <Status>{status}</Status>
    </section>
  )
}

/** Messages to webhooks, and users' standing ones. */
export const Webhooks = ({ route }: { readonly route: Route }) => {
  const { state, userId } = route.query
  const change = (name: string, value: string) => filterBy("webhooks", { userId, state, [name]: value })
  return (
    <>
      <h1>Webhooks</h1>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <UserField value={userId} onEnter={(userId) => change("userId", userId)} />
        <label>
          State
          <select
            name="state"
            value={state ?? ""}
            onChange={({ currentTarget }) => change("state", currentTarget.value)}
          >
            <option value="">any</option>
            {session.value?.messageStates.map((word) => (
              <option key={word} value={word}>
                {word}
              </option>
            ))}
          </select>
        </label>
      </form>
      {userId ? (
        <Standing key={userId} userId={userId} />
      ) : (
        <p class="quiet">Name a user to see and change the standing webhooks.</p>
      )}
      <h2>Messages</h2>
      <Messages key={`${userId} ${state}`} userId={userId} state={state} />
    </>
  )
}
