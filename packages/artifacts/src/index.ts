export {
  AllowedArtifacts,
  type Choice,
  parse as parseAllowed,
  parseForUsers as parseAllowedForUsers,
  takes as allowedTakes,
  takesForUsers as allowedForUsersTakes
} from "./AllowedArtifacts.js"
export {
  ArtifactInspector,
  type Inspected,
  InspectionFailure,
  type InspectorOptions
} from "./ArtifactInspector.js"
export {
  type ArtifactGroup,
  type ArtifactKind,
  type ArtifactRules,
  artifactGroups,
  defaultWhitelist,
  type Whitelist
} from "./ArtifactKinds.js"
export { ArtifactScanner, ScanFailure, type ScanVerdict } from "./ArtifactScanner.js"
export type { SpaceLimits } from "./ArtifactSpace.js"
export * as ArtifactSpace from "./ArtifactSpace.js"
export {
  type ArtifactRange,
  ArtifactStore,
  ArtifactStoreFailure,
  type NewArtifact,
  type StagedArtifact,
  type StoredArtifact
} from "./ArtifactStore.js"
export * as FileArtifactStore from "./FileArtifactStore.js"
export * as ValidatingArtifactCollector from "./ValidatingArtifactCollector.js"
