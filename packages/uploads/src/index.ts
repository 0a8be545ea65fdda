export * as FileUploads from "./FileUploads.js"
