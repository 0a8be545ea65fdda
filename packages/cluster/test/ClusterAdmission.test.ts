import { ExecutionId, ShuttingDown, UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { play } from "./History.js"
import * as Mutants from "./Mutants.js"
import { type Mutation, World } from "./World.js"

/** A world with an owner and two replicas. */
const twoReplicas = (...options: ConstructorParameters<typeof World>) => {
  const world = new World(...options)
  world.addOwner()
  const [a, b] = [world.addReplica("a"), world.addReplica("b")]
  world.pass(1500)
  return { world, a, b }
}

describe("admission for all replicas", () => {
  it("holds one cap over all, and lets in by turns", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 2 })
    for (const [index, user] of ["ann", "ann", "ann", "ann", "bob"].entries()) {
      world.arrive(index % 2 === 0 ? a : b, user, 5000)
      world.pass(20)
    }
    assert.strictEqual(world.running.length, 2)
    assert.deepStrictEqual(
      world.ask(a, a.admission.occupancy),
      Exit.succeed({ active: 2, queued: 3, users: 2, gpus: 0 })
    )
    world.pass(20_000)
    assert.deepStrictEqual(world.begun, [0, 1, 4, 2, 3])
    assert.deepStrictEqual(world.violations, [])
    assert.strictEqual(world.permits, 0)
  })

  it("keeps the order of all replicas when the owner dies, and what runs", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    for (let index = 0; index < 6; index++) {
      world.arrive(index % 2 === 0 ? b : a, "ann", 3000)
      world.pass(20)
    }
    world.killOwners()
    world.pass(1000)
    world.addOwner()
    world.pass(30_000)
    assert.deepStrictEqual(world.begun, [0, 1, 2, 3, 4, 5])
    assert.deepStrictEqual(world.violations, [])
    assert.strictEqual(world.permits, 0)
  })

  it("keeps the order when the owner stands still and has just been asked", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    for (const replica of [a, b, a]) {
      world.arrive(replica, "ann", 4000)
      world.pass(20)
    }
    world.freezeOwner(60_000)
    // It is told of this one, says nothing, and is asked again only when that has taken too long.
    world.arrive(b, "bob", 10)
    world.addOwner()
    b.asksFormer = true
    world.pass(5)
    b.asksFormer = false
    world.pass(30_000)
    assert.deepStrictEqual(
      world.begun.filter((order) => order < 3),
      [0, 1, 2]
    )
  })

  it("waits as a new owner for who asked the last one just before it died", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    for (const replica of [a, b, a]) {
      world.arrive(replica, "ann", 5000)
      world.pass(20)
    }
    world.pass(400)
    // Has b ask, who then waits for its answer until long after a has asked the new owner.
    world.arrive(b, "bob", 100)
    world.pass(10)
    world.killOwners()
    world.addOwner()
    world.pass(20_000)
    assert.deepStrictEqual(
      world.begun.filter((order) => order < 3),
      [0, 1, 2]
    )
    assert.deepStrictEqual(world.violations, [])
  })

  it("has no turns for a replica that stands still, which keeps its places", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    world.arrive(b, "ann", 1000)
    world.pass(20)
    world.arrive(a, "bob", 1000)
    world.arrive(b, "cid", 1000)
    world.pass(20)
    world.freeze(a.machine, 8000)
    world.pass(6000)
    assert.deepStrictEqual(world.begun, [0, 2])
    world.pass(10_000)
    assert.deepStrictEqual(world.begun, [0, 2, 1])
    assert.deepStrictEqual(world.violations, [])
  })

  const afterDeath = (mutation: Mutation) => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 }, { mutation })
    world.arrive(a, "ann", 60_000)
    world.pass(20)
    world.kill(a)
    world.arrive(b, "bob", 1000)
    world.pass(15_000)
    assert.deepStrictEqual(world.begun, [0])
    world.pass(15_000)
    return world
  }

  it("gives a dead replica's permits to others once its sandboxes are gone", () => {
    const world = afterDeath({})
    assert.deepStrictEqual(world.begun, [0, 1])
    assert.deepStrictEqual(world.violations, [])
  })

  it("would exceed the cap if those were only said to be gone", () => {
    assert.isNotEmpty(afterDeath(Mutants.deathTakenForEnd).violations)
  })

  it("writes no permit for a replica that was found dead while its question was answered", () => {
    // A history in which that happens.
    assert.deepStrictEqual(play(3119).violations, [])
  })

  const withTwoOwners = (mutation: Mutation) => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 }, { mutation })
    a.asksFormer = true
    world.addOwner()
    world.pass(2000)
    for (const replica of [a, b]) world.arrive(replica, "ann", 5000)
    world.pass(1000)
    return world
  }

  it("holds its cap while an owner that was replaced is asked too", () => {
    const world = withTwoOwners({})
    assert.deepStrictEqual(world.violations, [])
    assert.deepStrictEqual(world.begun, [1])
  })

  it("would exceed it if that one could still give permits", () => {
    assert.isNotEmpty(withTwoOwners(Mutants.fenceMissing).violations)
  })

  const afterChange = (mutation: Mutation) => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 }, { mutation })
    world.arrive(a, "ann", 20_000)
    world.pass(20)
    world.killOwners()
    world.addOwner()
    world.arrive(b, "bob", 100)
    world.pass(5000)
    return world
  }

  it("holds its cap over a change of owner", () => {
    const world = afterChange({})
    assert.deepStrictEqual(world.begun, [0])
    assert.deepStrictEqual(world.violations, [])
  })

  it("would exceed it if the new one did not know which permits are out", () => {
    assert.isNotEmpty(afterChange(Mutants.permitsForgotten).violations)
  })

  for (const pause of [0, 3000]) {
    it(`has the permits of a replica that ends ${pause} ms before there is another owner`, () => {
      const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
      world.arrive(a, "ann", 60_000)
      world.pass(20)
      world.killOwners()
      world.stop(a)
      world.pass(pause)
      world.addOwner()
      world.arrive(b, "bob", 1000)
      world.pass(5000)
      assert.deepStrictEqual(world.begun, [0, 1])
      assert.deepStrictEqual(world.violations, [])
    })
  }

  it("puts limits in force for all replicas, and for the next owner", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    world.arrive(a, "ann", 60_000)
    world.arrive(b, "bob", 60_000)
    world.pass(100)
    assert.strictEqual(world.running.length, 1)
    world.limits.maxConcurrentSandboxes = 2
    assert.deepStrictEqual(world.ask(b, a.admission.adjust({ ...world.limits })), Exit.void)
    assert.strictEqual(world.running.length, 2)
    world.limits.maxConcurrentSandboxes = 3
    world.ask(b, b.admission.adjust({ ...world.limits }))
    world.killOwners()
    world.limits.maxConcurrentSandboxes = 1
    world.addOwner()
    world.limits.maxConcurrentSandboxes = 3
    world.pass(1500)
    world.arrive(a, "cid", 1000)
    world.arrive(a, "dan", 1000)
    world.pass(500)
    assert.strictEqual(world.running.length, 3)
    assert.deepStrictEqual(world.violations, [])
  })

  it("says that limits are not changed for all where no owner answers for 10 seconds", () => {
    const { a, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    world.killOwners()
    const exit = world.ask(a, Effect.flip(a.admission.adjust({ ...world.limits })), 10_100)
    assert(exit !== undefined && Exit.isSuccess(exit))
    assert.deepInclude(exit.value, { _tag: "AdmissionUnreachable", retryAfter: 5 })
    assert.include(exit.value.message, "gave no answer within 10s")
  })

  it("refuses what cannot wait, tells who waits, and sends who waits here away", () => {
    const { a, b, world } = twoReplicas({ maxConcurrentSandboxes: 1 })
    const who = { executionId: ExecutionId.make("exec_x"), userId: UserId.make("eve") }
    assert.deepStrictEqual(world.ask(a, a.admission.enterNow(who)), Exit.void)
    const refused = world.ask(b, Effect.flip(b.admission.enterNow(who)))
    assert(refused !== undefined && Exit.isSuccess(refused))
    assert.strictEqual(refused.value._tag, "SystemAtCapacity")
    const guest = world.arrive(b, "ann", 1000)
    world.pass(100)
    const admissibility = world.ask(a, a.admission.canStart(UserId.make("bob")))
    assert(admissibility !== undefined && Exit.isSuccess(admissibility))
    assert.deepInclude(admissibility.value, { allowed: false, ahead: 1 })
    const refusal = (executionId: ExecutionId) =>
      new ShuttingDown({ executionId, message: "It is shutting down", retryAfter: 1 })
    world.ask(b, b.admission.dismiss(refusal))
    // It was on its way: nobody would send it away later.
    assert.match(world.arrive(b, "ann", 1000).refused ?? "", /shutting down/)
    world.stop(b)
    world.pass(100)
    assert.match(guest.refused ?? "", /shutting down/)
    world.ask(a, a.admission.leave(who))
    assert.strictEqual(world.permits, 0)
  })
})

const kind = "NVIDIA L4"
const four = [{ kind, count: 4 }]
const some = (count: number) => ({ kind, count })

describe("GPUs of all replicas", () => {
  it("are given where they are, within the caps of all and of each user", () => {
    const { a, b, world } = twoReplicas(
      { maxGpus: 6, maxGpusPerUser: 4 },
      {
        gpus: {
          a: four,
          b: [
            { kind, count: 2 },
            { kind: "NVIDIA H100", count: 4 }
          ]
        }
      }
    )
    world.arrive(a, "ann", 5000, some(3))
    world.arrive(b, "bob", 2000, some(2))
    world.pass(50)
    // Of the kind, one more is at a, and none at b; ann may have one more, and one more may be had of all.
    world.arrive(b, "cid", 1000, some(1))
    world.arrive(b, "ann", 1000, { kind: "NVIDIA H100", count: 2 })
    world.arrive(b, "dan", 1000, { kind: "NVIDIA H100", count: 2 })
    world.arrive(a, "eve", 1000)
    world.pass(50)
    assert.deepStrictEqual(world.begun, [0, 1, 5])
    assert.deepStrictEqual(
      world.ask(a, a.admission.occupancy),
      Exit.succeed({ active: 3, queued: 3, users: 5, gpus: 5 })
    )
    assert.deepStrictEqual(
      world.ask(b, b.admission.occupancyOf(UserId.make("ann"))),
      Exit.succeed({ active: 1, queued: 1, gpus: 3 })
    )
    world.pass(1500)
    assert.deepStrictEqual(world.begun, [0, 1, 5, 2, 4])
    world.pass(5000)
    assert.deepStrictEqual(world.begun, [0, 1, 5, 2, 4, 3])
    assert.deepStrictEqual(world.violations, [])
    assert.strictEqual(world.permits, 0)
  })

  it("are not taken from under one that wants many, whoever is the owner", () => {
    const { a, b, world } = twoReplicas({}, { gpus: { a: four } })
    const users = ["bob", "cid", "dan", "eve"]
    for (const user of users) world.arrive(a, user, 4000, some(1))
    world.pass(50)
    const large = world.arrive(a, "ann", 1000, some(4))
    world.pass(50)
    const small = users.map((user) => world.arrive(a, user, 4000, some(1)))
    const without = [world.arrive(b, "fay", 1000), world.arrive(b, "fay", 1000)]
    world.pass(500)
    assert.deepStrictEqual(
      without.map(({ state }) => state),
      ["runs", "runs"]
    )
    world.killOwners()
    world.addOwner()
    world.pass(4000)
    assert.strictEqual(large.state, "runs")
    assert.isTrue(small.every(({ state }) => state === "waits"))
    world.pass(10_000)
    assert.deepStrictEqual(world.violations, [])
    assert.strictEqual(world.permits, 0)
  })

  const overChange = (mutation: Mutation) => {
    const { a, b, world } = twoReplicas({ maxGpusPerUser: 4 }, { mutation, gpus: { a: four, b: four } })
    world.arrive(a, "ann", 20_000, some(3))
    world.pass(50)
    world.killOwners()
    world.addOwner()
    world.arrive(a, "bob", 1000, some(2))
    world.arrive(b, "ann", 1000, some(2))
    world.pass(5000)
    return world
  }

  it("stay counted over a change of owner", () => {
    const world = overChange({})
    assert.deepStrictEqual(world.begun, [0])
    assert.deepStrictEqual(world.violations, [])
  })

  it("would be given twice if the new owner forgot them", () => {
    assert.match(overChange(Mutants.gpusForgotten).violations[0] ?? "", /^(machine|user) gpus/)
  })

  const afterRestart = (mutation: Mutation) => {
    const { a, world } = twoReplicas({}, { mutation, gpus: { a: four } })
    world.arrive(a, "ann", 10_000, some(3))
    world.pass(50)
    world.kill(a)
    // It begins anew, and does not know whether the programs of the dead one are gone.
    world.arrive(world.addReplica("a"), "bob", 1000, some(2))
    world.pass(5000)
    return world
  }

  it("of a replica that died stay with its programs, on the machine that it had", () => {
    const world = afterRestart({})
    assert.deepStrictEqual(world.begun, [0])
    world.pass(25_000)
    assert.deepStrictEqual(world.begun, [0, 1])
    assert.deepStrictEqual(world.violations, [])
  })

  it("would be given twice if a machine went by the life of its replica", () => {
    assert.match(afterRestart(Mutants.deadMachineForgotten).violations[0] ?? "", /^machine gpus/)
  })

  it("are refused while the owner is of a version that knows none, and the rest is not", () => {
    const { a, b, world } = twoReplicas({}, { mutation: Mutants.olderOwner, gpus: { a: four } })
    const guest = world.arrive(a, "ann", 1000, some(1))
    const others = [world.arrive(a, "ann", 1000), world.arrive(b, "bob", 1000)]
    world.pass(100)
    assert.match(guest.refused ?? "", /GPUs are given when every replica has been upgraded/)
    assert.isTrue(others.every(({ state }) => state === "runs"))
    world.pass(3000)
    assert.strictEqual(world.permits, 0)
    assert.deepStrictEqual(world.violations, [])
  })
})
