export * as S3ArtifactBlobs from "./S3ArtifactBlobs.js"
export { S3Failure, type S3Options } from "./S3Bucket.js"
