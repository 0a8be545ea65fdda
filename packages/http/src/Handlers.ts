import type { BulkheadApi } from "@bulkhead/api"
import type { HttpApi, HttpApiGroup } from "@effect/platform"
import type { Layer } from "effect"

/** An HttpApi, provided that it has the group. */
type Having<Group, Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R> = [Group] extends [
  Groups
]
  ? HttpApi.HttpApi<Id, Groups, E, R>
  : never

/**
 * The handlers of a group for whatever HttpApi has it, also under a prefix: only the group's own endpoints count in it,
 * and the identifier of the HttpApi is but a type. A malformed parameter is answered in that HttpApi's own form, as is
 * a route that is not there.
 */
export const of =
  <Group extends HttpApiGroup.HttpApiGroup.Any>() =>
  <Requires>(
    build: (
      api: typeof BulkheadApi
    ) => Layer.Layer<HttpApiGroup.ApiGroup<"bulkhead", Group["identifier"]>, never, Requires>
  ) =>
  <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
    api: HttpApi.HttpApi<Id, Groups, E, R> & Having<Group, Id, Groups, E, R>
  ) =>
    build(api as unknown as typeof BulkheadApi) as unknown as Layer.Layer<
      HttpApiGroup.ApiGroup<Id, Group["identifier"]>,
      never,
      Requires
    >
