export * as ThreadPool from "./ThreadPool.js"
export { ThreadLost, type WorkerThread, type WorkerThreadOptions } from "./WorkerThread.js"
