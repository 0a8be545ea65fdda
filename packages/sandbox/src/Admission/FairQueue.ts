/** One value that waits, in the line of its key. */
export interface Place<K, A> {
  readonly value: A
  readonly line: Line<K, A>
  before: Place<K, A> | undefined
  after: Place<K, A> | undefined
  waits: boolean
}

/** Everything of one key that waits, in the order in which it came. */
interface Line<K, A> {
  readonly key: K
  first: Place<K, A> | undefined
  last: Place<K, A> | undefined
  length: number
  /** Whether the key has no turns for now. */
  isSuspended: boolean
  /** Neighbours in the round of those who have turns; absent: the line is not in the round. */
  previous: Line<K, A> | undefined
  next: Line<K, A> | undefined
}

/**
 * Lines that take turns: first in, first out within a key, one at a time in a round among keys. Every operation takes
 * the same time, however long the lines are; a key whose line is empty leaves nothing behind.
 */
export class FairQueue<K, A> {
  private readonly lines = new Map<K, Line<K, A>>()
  /** Whose turn is next. */
  private turn: Line<K, A> | undefined
  private total = 0

  /** How many wait. */
  get size(): number {
    return this.total
  }

  /** How many keys have something that waits. */
  get lineCount(): number {
    return this.lines.size
  }

  /** Every key that has something that waits. */
  keys(): Iterable<K> {
    return this.lines.keys()
  }

  sizeOf(key: K): number {
    return this.lines.get(key)?.length ?? 0
  }

  /** How many of its key wait before the first value that is the one. Absent: none is. */
  positionOf(key: K, isIt: (value: A) => boolean): number | undefined {
    let position = 0
    for (let place = this.lines.get(key)?.first; place !== undefined; place = place.after) {
      if (isIt(place.value)) return position
      position++
    }
    return undefined
  }

  /** Lets a value wait at the end of its key's line. `isSuspended`: the key has no turns until they are resumed. */
  push(key: K, value: A, isSuspended: boolean): Place<K, A> {
    const line = this.lines.get(key) ?? this.open(key, isSuspended)
    const place: Place<K, A> = { value, line, before: line.last, after: undefined, waits: true }
    if (line.last) line.last.after = place
    else line.first = place
    line.last = place
    line.length++
    this.total++
    return place
  }

  /** Lets a value leave before its turn. Whether it was still there. */
  remove(place: Place<K, A>): boolean {
    if (!place.waits) return false
    const { line } = place
    place.waits = false
    if (place.before) place.before.after = place.after
    else line.first = place.after
    if (place.after) place.after.before = place.before
    else line.last = place.before
    line.length--
    this.total--
    if (line.length === 0) this.close(line)
    return true
  }

  /** Whether any key has a turn. */
  get hasTurn(): boolean {
    return this.turn !== undefined
  }

  /** The place whose turn it is, if any key has a turn. */
  get next(): Place<K, A> | undefined {
    return this.turn?.first
  }

  /** Takes out the value whose turn it is, if any key has a turn. */
  shift(): A | undefined {
    const place = this.next
    if (place === undefined) return undefined
    this.take(place)
    return place.value
  }

  /** Takes out a value, as its key's turn if it has one. */
  take(place: Place<K, A>): void {
    if (this.turn === place.line) this.turn = place.line.next
    this.remove(place)
  }

  /** Takes out everything, in the order of its turns, then of what is suspended. */
  *drain(): Generator<A> {
    yield* this.turns()
    for (const key of [...this.lines.keys()]) this.resume(key)
    yield* this.turns()
  }

  private *turns(): Generator<A> {
    for (let value = this.shift(); value !== undefined; value = this.shift()) yield value
  }

  /** Suspends a key's turns. */
  suspend(key: K): void {
    const line = this.lines.get(key)
    if (line === undefined || line.isSuspended) return
    line.isSuspended = true
    this.leaveRound(line)
  }

  /** Gives a key its turns again, after everyone who has one now. */
  resume(key: K): void {
    const line = this.lines.get(key)
    if (line === undefined || !line.isSuspended) return
    line.isSuspended = false
    this.joinRound(line)
  }

  private open(key: K, isSuspended: boolean): Line<K, A> {
    const line: Line<K, A> = {
      key,
      first: undefined,
      last: undefined,
      length: 0,
      isSuspended,
      previous: undefined,
      next: undefined
    }
    this.lines.set(key, line)
    if (!isSuspended) this.joinRound(line)
    return line
  }

  private close(line: Line<K, A>): void {
    this.lines.delete(line.key)
    if (!line.isSuspended) this.leaveRound(line)
  }

  /** The last of a round is the one before whose turn it is. */
  private joinRound(line: Line<K, A>): void {
    const next = this.turn ?? line
    const previous = next.previous ?? line
    line.next = next
    line.previous = previous
    previous.next = line
    next.previous = line
    this.turn = next
  }

  private leaveRound(line: Line<K, A>): void {
    const { next, previous } = line
    if (next === undefined || previous === undefined) return
    previous.next = next
    next.previous = previous
    if (this.turn === line) this.turn = next === line ? undefined : next
    line.next = undefined
    line.previous = undefined
  }
}
