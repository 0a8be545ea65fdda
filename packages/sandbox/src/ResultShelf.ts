import type { ExecutionId, ExecutionResult } from "@bulkhead/domain"

/** Characters of output that the kept results may hold together. */
const room = 16 * 1_048_576

const sizeOf = ({ stdout, stderr }: ExecutionResult) => stdout.length + stderr.length + 1024

/** The latest results, as many as there is room for: for whoever asks after the caller went away. */
export class ResultShelf {
  private readonly results = new Map<ExecutionId, ExecutionResult>()
  private size = 0

  put(result: ExecutionResult): void {
    this.results.set(result.executionId, result)
    this.size += sizeOf(result)
    for (const [id, oldest] of this.results) {
      if (this.size <= room) return
      this.results.delete(id)
      this.size -= sizeOf(oldest)
    }
  }

  get(executionId: ExecutionId): ExecutionResult | undefined {
    return this.results.get(executionId)
  }
}
