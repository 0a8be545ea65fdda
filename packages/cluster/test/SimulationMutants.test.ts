import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { findSeed, seeds } from "./Histories.js"
import * as Mutants from "./Mutants.js"
import type { Mutation } from "./World.js"

/** What each must come to: caps exceeded, turns or order lost, places or permits lost, or permits that lie idle. */
const mutants: ReadonlyArray<readonly [string, Mutation, ReadonlyArray<string>]> = [
  ["each owner counts one permit too many", Mutants.capMiscounted, ["cap", "ledger"]],
  ["the caps of users are ignored", Mutants.userCapIgnored, ["cap"]],
  ["owners are not fenced", Mutants.fenceMissing, ["cap", "ledger"]],
  ["a new owner does not know which permits are out", Mutants.permitsForgotten, ["cap", "ledger"]],
  ["permits are given before they are written down", Mutants.grantUnwritten, ["cap", "ledger"]],
  ["a dead replica's programs are taken for ended", Mutants.deathTakenForEnd, ["cap"]],
  ["waiting is taken for having a permit", Mutants.waitTakenForGrant, ["cap"]],
  [
    "a new owner forgets the GPUs of the permits that are out",
    Mutants.gpusForgotten,
    ["machine gpus", "user gpus", "all gpus"]
  ],
  ["the GPUs of a machine are not counted", Mutants.machineGpusIgnored, ["machine gpus"]],
  ["the users' caps of GPUs are ignored", Mutants.userGpusIgnored, ["user gpus"]],
  ["each owner counts one GPU too many", Mutants.gpusMiscounted, ["all gpus", "ledger"]],
  ["leaving is not told", Mutants.leavingUnsaid, ["lost", "permits", "idle"]],
  ["what waits is told in the wrong order", Mutants.orderLost, ["turn", "order"]],
  ["what waits is forgotten at a change of owner", Mutants.placesForgotten, ["turn", "order", "lost"]],
  ["places in the queue are forgotten at a change of owner", Mutants.ticketsForgotten, ["order"]]
]

describe("histories over many replicas find out when", { timeout: 600_000 }, () => {
  it.live.each(mutants)("%s", ([, mutation, kinds]) =>
    Effect.map(findSeed(mutation, kinds), (seed) =>
      assert.isDefined(seed, `no seed up to ${seeds} comes to ${kinds.join(" or ")}`)
    )
  )
})
