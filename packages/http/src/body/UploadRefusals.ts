import {
  type ExecutionId,
  QuotaExceeded,
  RecordUnavailable,
  SystemAtCapacity,
  UnsupportedMediaType
} from "@bulkhead/domain"
import type { UploadFailure } from "@bulkhead/sandbox"
import { Effect } from "effect"

/** Seconds after which files that are being received may have gone again. */
const roomAgain = 60
/** Seconds after which a disk that cannot be written may be there again. */
const diskAgain = 5

const megabytes = (bytes = 0) => `${Math.floor(bytes / 1_048_576)} MB`

const refusalOf = (executionId: ExecutionId, { limit, reason }: UploadFailure) => {
  switch (reason) {
    case "UserQuota":
      return new QuotaExceeded({
        executionId,
        message: `User limit reached: ${megabytes(limit)} of uploaded files`,
        retryAfter: roomAgain
      })
    case "Quota":
      return new SystemAtCapacity({
        executionId,
        message: `System at capacity: ${megabytes(limit)} of uploaded files`,
        retryAfter: roomAgain
      })
    case "NoSpace":
      return new SystemAtCapacity({
        executionId,
        message: "System at capacity: the disk has no room for uploaded files",
        retryAfter: roomAgain
      })
    case "NotTaken":
      return new UnsupportedMediaType({ executionId, message: "Files are taken in JSON alone here" })
    case "Unavailable":
      return new RecordUnavailable({
        executionId,
        message: "Uploaded files cannot be kept at present",
        retryAfter: diskAgain
      })
  }
}

const isForOperator = ({ reason }: UploadFailure) => reason === "NoSpace" || reason === "Unavailable"

/** What a request is refused with whose files cannot be taken in; the cause is for the operator alone. */
export const of = (executionId: ExecutionId) => (failure: UploadFailure) =>
  Effect.zipRight(
    Effect.when(Effect.logError("An uploaded file cannot be kept", failure), () => isForOperator(failure)),
    Effect.fail(refusalOf(executionId, failure))
  )
