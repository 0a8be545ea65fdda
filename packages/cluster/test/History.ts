import { type Mutation, type Replica, World } from "./World.js"

/** What came of one history. */
export interface Outcome {
  readonly violations: ReadonlyArray<string>
  readonly begun: number
  readonly owners: number
}

const users = ["ann", "bob", "cid"]

/**
 * Plays a history that the seed decides: executions come to some replicas and leave, owners change, die, stand still
 * and come back, replicas too, and the network loses, doubles and delays. Then all is well for a while, and everything
 * must come to its end.
 */
export const play = (seed: number, mutation: Mutation = {}): Outcome => {
  const settings = new World({}, { seed }).random
  const rate = () => (settings.integer(2) === 0 ? 0 : settings.number() * 0.3)
  const limits = {
    maxConcurrentSandboxes: 1 + settings.integer(5),
    maxSandboxesPerUser: 1 + settings.integer(3)
  }
  const network = { loss: rate(), doubling: rate(), lateness: rate(), straying: rate() }
  const world = new World(limits, { network, mutation, seed: seed + 1 })
  const { random } = world
  const pick = <A>(all: ReadonlyArray<A>) => all[random.integer(Math.max(1, all.length))]
  let owners = 1
  world.addOwner()
  const count = 2 + random.integer(4)
  for (let index = 0; index < count; index++) world.addReplica(String(index))

  const withReplica = (act: (replica: Replica) => void) => {
    const replica = pick(world.living)
    if (replica !== undefined) act(replica)
  }
  const arrive = () =>
    withReplica((replica) => {
      world.arrive(replica, pick(users) ?? "ann", 100 + random.integer(4000))
    })
  const replace = (end: (replica: Replica) => void) =>
    withReplica((replica) => {
      if (world.living.length < 2) return
      end(replica)
      world.addReplica(replica.session.instance)
    })
  const cutOff = (replica: Replica) => {
    replica.isReached = false
    world.time.after(replica.machine.process, 500 + random.integer(8000), () => {
      replica.isReached = true
    })
  }
  const acts: ReadonlyArray<readonly [weight: number, act: () => void]> = [
    [60, arrive],
    [6, () => world.leave(pick(world.waiting))],
    [
      5,
      () => {
        owners++
        world.addOwner()
      }
    ],
    [
      4,
      () => {
        owners++
        world.killOwners()
        world.pass(random.integer(3000))
        world.addOwner()
      }
    ],
    [4, () => world.freezeOwner(500 + random.integer(8000))],
    [4, () => withReplica(cutOff)],
    [4, () => withReplica(({ machine }) => world.freeze(machine, 500 + random.integer(8000)))],
    [3, () => replace((replica) => world.kill(replica))],
    [2, () => replace((replica) => world.stop(replica))]
  ]
  const total = acts.reduce((sum, [weight]) => sum + weight, 0)
  const act = () => {
    let at = random.integer(total)
    for (const [weight, act] of acts) {
      at -= weight
      if (at < 0) return act()
    }
  }
  const steps = 20 + random.integer(40)
  for (let step = 0; step < steps && world.violations.length === 0; step++) {
    act()
    world.pass(random.integer(600))
  }

  // From now on nothing goes wrong any more. The permits of dead replicas come back when their sandboxes are known to
  // be gone.
  world.heal()
  const end = world.time.now + 60_000 + world.guests.length * 4000
  while (
    world.time.now < end &&
    world.violations.length === 0 &&
    (world.waiting.length > 0 || world.permits > 0)
  )
    world.pass(500)
  for (const { order } of world.waiting) world.violations.push(`lost: ${order} never has its turn`)
  if (world.violations.length === 0 && world.permits > 0)
    world.violations.push(`permits: ${world.permits} are never given back`)
  return { violations: world.violations, begun: world.begun.length, owners }
}
