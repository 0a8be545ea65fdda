import {
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import {
  Admission,
  type ExecutionStore,
  GpuSupply,
  IdempotencyKeys,
  Limits,
  type LimitValues,
  MemoryExecutionStore,
  type SandboxProvider,
  SandboxService,
  SandboxSupply,
  Toolchain,
  type ToolchainFacts
} from "@bulkhead/sandbox"
import { Layer } from "effect"
import * as MockSandboxProvider from "./MockSandboxProvider.js"
import * as MockToolchain from "./MockToolchain.js"

/** How the mock sandboxes behave, and what else is not as usual. */
export interface TestOptions extends Partial<Omit<MockSandboxProvider.MockBehaviour, "toolchain">> {
  /** The specification's unless told. */
  readonly limits?: Partial<LimitValues>
  /** What the sandboxes have: all four languages and a supervisor unless told. */
  readonly toolchain?: Partial<ToolchainFacts>
}

/** What the service stands on, by which a test steers and watches it. */
type Handles = SandboxProvider | MockSandboxProvider.MockSandboxes | Limits | IdempotencyKeys

/** With whatever record, and whatever `ArtifactCollector`, is provided. */
export const layerOver = ({
  limits = {},
  toolchain,
  ...behaviour
}: TestOptions = {}): Layer.Layer<SandboxService | Handles, never, ExecutionStore> =>
  SandboxService.layerBare.pipe(
    Layer.provide(Layer.mergeAll(Layer.provide(Admission.layer, GpuSupply.layer), SandboxSupply.layer)),
    Layer.provide(Toolchain.layerTest({ ...MockToolchain.facts, ...toolchain })),
    Layer.provideMerge(Layer.merge(Limits.layer(limits), IdempotencyKeys.layerMemory())),
    Layer.provideMerge(MockSandboxProvider.layer(behaviour))
  )

const artifacts = ValidatingArtifactCollector.layer().pipe(
  Layer.provide(Layer.merge(ArtifactInspector.layerMemory, ArtifactScanner.layerOff)),
  Layer.provideMerge(ArtifactStore.layerMemory)
)

/**
 * The real service on mock sandboxes, all in memory, and the handles by which a test steers and watches them. Time is
 * the test's: under a `TestClock` none goes by unless the test says so. The sandboxes' toolchain is known without a
 * look, so every sandbox that `MockSandboxes` tells of is an execution's.
 */
export const layer = (
  options: TestOptions = {}
): Layer.Layer<SandboxService | Handles | ExecutionStore | ArtifactStore> =>
  Layer.provideMerge(layerOver(options), Layer.merge(MemoryExecutionStore.layer(), artifacts))
