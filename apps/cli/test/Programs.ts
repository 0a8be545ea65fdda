/** Writes more than is sent at once, with characters of two bytes. */
export const long = "import sys\nfor line in range(40000): sys.stdout.write(f'line {line:06d} é\\n')"
export const longOutput = Array.from(
  { length: 40_000 },
  (_, line) => `line ${String(line).padStart(6, "0")} é\n`
).join("")

export const endless = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)"

/** Does not end for SIGTERM. */
export const stubborn = `import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n${endless}`

/** Writes each of the values, a piece at a time. */
export const saying = (values: ReadonlyArray<string>) =>
  [
    "import base64, sys",
    `for value in ${JSON.stringify(values.map((value) => Buffer.from(value).toString("base64")))}:`,
    "  sys.stdout.buffer.write(base64.b64decode(value) + b'\\n'); sys.stdout.flush()",
    "  sys.stderr.buffer.write(base64.b64decode(value) + b'\\n'); sys.stderr.flush()"
  ].join("\n")

/** Leaves files of these names, as far as the system takes them. */
export const leaving = (names: ReadonlyArray<string>) =>
  [
    "import base64, os",
    "place = os.environ['SANDBOX_OUTPUT_DIR'].encode()",
    `for name in ${JSON.stringify(names.map((name) => Buffer.from(name).toString("base64")))}:`,
    "  path = os.path.join(place, base64.b64decode(name).lstrip(b'/'))",
    "  try:",
    "    os.makedirs(os.path.dirname(path), exist_ok=True)",
    "    open(path, 'w').write('kept')",
    "  except (OSError, ValueError): pass"
  ].join("\n")
