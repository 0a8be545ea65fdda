import {
  ALLOWED_SYSCALLS,
  type Architecture,
  JUDGED_SYSCALLS,
  LAST_KNOWN_SYSCALL,
  type SyscallNumbers
} from "./Syscalls.js"

// Classic BPF, as the kernel's seccomp filter mode takes it: an instruction is { code, jump if true, jump if false, operand }.
const LOAD_WORD = 0x20
const AND = 0x54
const JUMP_EQUAL = 0x15
const JUMP_ABOVE = 0x25
const JUMP_AT_LEAST = 0x35
const RETURN = 0x06

const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const ERRNO = 0x00050000
const NOT_PERMITTED = ERRNO | 1
const NO_SUCH_CALL = ERRNO | 38

// Offsets in struct seccomp_data; arguments are read as their low words.
const CALL_NUMBER = 0
const PROCESSOR = 4
const argument = (index: number) => 16 + 8 * index

const X32_BIT = 0x40000000
const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const
const NEW_NAMESPACES = 0x7e020000
const AF_VSOCK = 40
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
const HARMLESS_PERSONALITIES = [0, 0x0008, 0x20000, 0x20008, 0xffffffff]

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

const load = (offset: number): Instruction => [LOAD_WORD, 0, 0, offset]
const give = (action: number): Instruction => [RETURN, 0, 0, action]
/** Runs `body`, which must return in all its ways, when the loaded word equals `value`. */
const whenEqual = (value: number, body: ReadonlyArray<Instruction>): ReadonlyArray<Instruction> => [
  [JUMP_EQUAL, 0, body.length, value],
  ...body
]

const numberOf = (numbers: SyscallNumbers, architecture: Architecture) =>
  numbers[architecture === "x64" ? 0 : 1]

const refuseValues = (index: number, values: ReadonlyArray<number>): ReadonlyArray<Instruction> => [
  load(argument(index)),
  ...values.flatMap((value) => whenEqual(value, [give(NOT_PERMITTED)])),
  give(ALLOW)
]

const allowValues = (index: number, values: ReadonlyArray<number>): ReadonlyArray<Instruction> => [
  load(argument(index)),
  ...values.flatMap((value) => whenEqual(value, [give(ALLOW)])),
  give(NOT_PERMITTED)
]

const judgements: Record<keyof typeof JUDGED_SYSCALLS, ReadonlyArray<Instruction>> = {
  clone: [
    load(argument(0)),
    [AND, 0, 0, NEW_NAMESPACES],
    ...whenEqual(0, [give(ALLOW)]),
    give(NOT_PERMITTED)
  ],
  // Its flags lie in memory, out of a filter's sight; programs fall back to clone when it is missing.
  clone3: [give(NO_SUCH_CALL)],
  ioctl: refuseValues(1, [TIOCSTI, TIOCLINUX]),
  personality: allowValues(0, HARMLESS_PERSONALITIES),
  socket: refuseValues(0, [AF_VSOCK])
}

const judge = (architecture: Architecture): ReadonlyArray<Instruction> =>
  Object.entries(JUDGED_SYSCALLS).flatMap(([name, numbers]) => {
    const number = numberOf(numbers, architecture)
    return number === null ? [] : whenEqual(number, judgements[name as keyof typeof judgements])
  })

/** Neighbouring call numbers as ranges, so that the filter stays short. */
const allowedRanges = (architecture: Architecture): ReadonlyArray<readonly [number, number]> => {
  const numbers = Object.values(ALLOWED_SYSCALLS)
    .map((entry) => numberOf(entry, architecture))
    .filter((number) => number !== null)
    .sort((a, b) => a - b)
  const ranges: Array<[number, number]> = []
  for (const number of numbers) {
    const last = ranges[ranges.length - 1]
    if (last !== undefined && number <= last[1] + 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges
}

const allowRange = ([low, high]: readonly [number, number]): ReadonlyArray<Instruction> => [
  [JUMP_ABOVE, 3, 0, high],
  [JUMP_AT_LEAST, 0, 1, low],
  give(ALLOW),
  give(NOT_PERMITTED)
]

const program = (architecture: Architecture): ReadonlyArray<Instruction> => [
  load(PROCESSOR),
  [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
  give(KILL_PROCESS),
  load(CALL_NUMBER),
  [JUMP_AT_LEAST, 0, 1, X32_BIT],
  give(NOT_PERMITTED),
  [JUMP_ABOVE, 0, 1, LAST_KNOWN_SYSCALL],
  give(NO_SUCH_CALL),
  ...judge(architecture),
  ...allowedRanges(architecture).flatMap(allowRange),
  give(NOT_PERMITTED)
]

/** The system call filter of every sandbox, in the bytes that `bwrap --seccomp` reads: what Docker's default profile refuses, this refuses. */
export const filter = (architecture: Architecture): Uint8Array => {
  const instructions = program(architecture)
  const bytes = new DataView(new ArrayBuffer(instructions.length * 8))
  instructions.forEach(([code, ifTrue, ifFalse, operand], index) => {
    bytes.setUint16(index * 8, code, true)
    bytes.setUint8(index * 8 + 2, ifTrue)
    bytes.setUint8(index * 8 + 3, ifFalse)
    bytes.setUint32(index * 8 + 4, operand >>> 0, true)
  })
  return new Uint8Array(bytes.buffer)
}
