export type { ArtifactChoice } from "./AllowedArtifacts.js"
export * as AllowedArtifacts from "./AllowedArtifacts.js"
export { ArtifactBlobs } from "./ArtifactBlobs.js"
export { ArtifactCatalog, type CatalogEntry, patience as catalogPatience } from "./ArtifactCatalog.js"
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
export * as CatalogArtifactStore from "./CatalogArtifactStore.js"
export * as FileArtifactStore from "./FileArtifactStore.js"
export * as Pieces from "./Pieces.js"
export * as ValidatingArtifactCollector from "./ValidatingArtifactCollector.js"
