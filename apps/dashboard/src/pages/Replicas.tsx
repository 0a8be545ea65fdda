import type { Replica } from "@bulkhead/domain"
import * as Beat from "../api/Beat.js"
import { isConnected, tick } from "../api/Live.js"
import { get } from "../api/Requests.js"
import { useLoaded } from "../api/useLoaded.js"
import { Mark } from "../parts/Marks.js"
import { Empty, Failure } from "../parts/Notice.js"
import { Scroll } from "../parts/Scroll.js"
import { Text } from "../parts/Text.js"
import { count, counted, iso, moment } from "../text/Format.js"

interface ReplicaList {
  readonly replicas: ReadonlyArray<Replica>
}

/** Milliseconds from one look to the next. */
const interval = 2000

const load = (abort: AbortSignal) => get<ReplicaList>("/api/sandbox/replicas", abort)

/** How many servers are one service; 0: this one is by itself. Looked up at the start and after a lost connection. */
export const useReplicaCount = () =>
  useLoaded(load, "replicas", String(isConnected.value)).value?.replicas.length ?? 0

const Moment = ({ at, now }: { readonly at: number; readonly now: number }) => (
  <time dateTime={iso(at)}>{moment(at, now)}</time>
)

/** How many of its GPUs are in use. */
const gpuWords = ({ gpus, gpusInUse }: Replica) => {
  const all = gpus.reduce((sum, { count }) => sum + count, 0)
  return all === 0 ? "none" : `${count(gpusInUse)} of ${count(all)}`
}

const Row = ({ replica, now }: { readonly replica: Replica; readonly now: number }) => (
  <tr>
    <th scope="row">
      <Text value={replica.instance} most={60} />
      {replica.isAnswering && <span class="quiet"> (this one)</span>}
    </th>
    <td>
      <Mark tone={replica.isSilent ? "bad" : "good"}>{replica.isSilent ? "silent" : "there"}</Mark>
      {replica.isOwner && (
        <>
          {" "}
          <Mark tone="live">decides</Mark>
        </>
      )}
      {replica.circuit !== "closed" && (
        <>
          {" "}
          <Mark tone="bad">{`circuit ${replica.circuit}`}</Mark>
        </>
      )}
    </td>
    <td class="number">{count(replica.running)}</td>
    <td class="number">{count(replica.waiting)}</td>
    <td class="number">{gpuWords(replica)}</td>
    <td>
      <Text value={replica.address} most={80} />
    </td>
    <td>
      <Text value={replica.version} most={40} />
    </td>
    <td>
      <Moment at={replica.since} now={now} />
    </td>
    <td>
      <Moment at={replica.lastSeenAt} now={now} />
    </td>
    <td>
      <code class="hash">
        <Text value={replica.id} most={40} />
      </code>
    </td>
  </tr>
)

const Table = ({ replicas }: ReplicaList) => {
  const now = tick.value?.at ?? 0
  return (
    <Scroll name="Replicas">
      <table>
        <thead>
          <tr>
            <th scope="col">Server</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Running
            </th>
            <th scope="col" class="number">
              Waiting
            </th>
            <th scope="col" class="number">
              GPUs
            </th>
            <th scope="col">Address</th>
            <th scope="col">Version</th>
            <th scope="col">Since</th>
            <th scope="col">Last seen</th>
            <th scope="col">Life</th>
          </tr>
        </thead>
        <tbody>
          {replicas.map((replica) => (
            <Row key={replica.id} replica={replica} now={now} />
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

const words = (replicas: ReadonlyArray<Replica>) => {
  const silent = replicas.filter(({ isSilent }) => isSilent).length
  const owner = replicas.some(({ isOwner }) => isOwner)
    ? "One of them decides who may run."
    : "At present none of them decides who may run: what comes waits."
  return `${counted(replicas.length - silent, "server is", "servers are")} there${silent > 0 ? `, ${count(silent)} silent` : ""}. ${owner}`
}

/** The servers that are one service. */
export const Replicas = () => {
  const { failure, value } = useLoaded(
    load,
    "replicas",
    `${isConnected.value} ${Math.floor((tick.value?.at ?? 0) / interval)}`,
    Beat.interval
  )
  return (
    <>
      <h1>Replicas</h1>
      <Failure message={failure} />
      {value?.replicas.length === 0 && <Empty>This server is one by itself.</Empty>}
      {value !== undefined && value.replicas.length > 0 && (
        <>
          <p class="quiet">{words(value.replicas)}</p>
          <Table replicas={value.replicas} />
        </>
      )}
    </>
  )
}
