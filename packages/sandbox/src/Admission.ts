/** Whether an execution would start at once. */
export interface Admissibility {
  readonly allowed: boolean
  /** Present exactly when `allowed` is false. */
  readonly reason?: string
}
