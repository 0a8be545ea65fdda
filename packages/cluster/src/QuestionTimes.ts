import { Duration } from "effect"

/** How long a patient question may wait for news. */
export const patience = Duration.millis(500)
/** How long a replica waits for an answer: the owner's patience, and time to write permits. */
export const bound = Duration.millis(1300)
/** Before a replica's next question, when there was no answer. */
export const pause = Duration.millis(100)
/** From a question that gets no answer until the next one is there, with 0.1 s for its way. */
export const untilNext = Duration.millis(Duration.toMillis(bound) + Duration.toMillis(pause) + 100)
