import type { Analysed } from "./Syntax/Facts.js"

/**
 * Programs that take most ways of the parsers and readers, for a thread to analyse before the first that matters: the
 * engine compiles what has run often, which is some three times as fast.
 */
export const warmUp: ReadonlyArray<readonly [language: Analysed, code: string]> = [
  [
    "python",
    `import os, sys as system
from json import dumps
@decorated
class Reader(Base):
    """What it is."""
    def __init__(self, path, *rest, size: int = 3, **options):
        self.path = os.path.join(path, 'a' + 'b', f'{size}')
        self.items = [x * 2 for x in rest if x > 1]
        self.names = {'a': 1, 'b': (2, -3)}
    def read(self):
        with open(self.path, 'rb') as file:
            for number, line in enumerate(file):
                if number % 2 == 0 and not line.startswith(b'#'):
                    yield line.strip().decode('utf-8')
                elif line is None:
                    continue
                else:
                    raise ValueError('wrong: %s' % line)
        try:
            return dumps(self.items[0:2], indent=2)
        except (KeyError, OSError) as error:
            print(error, file=system.stderr)
        finally:
            total = lambda a: a + 1
while False:
    total += 1
    break
`
  ],
  [
    "javascript",
    `import fs, { join as joined } from "node:path"
const { readFileSync } = require("fs")
export class Reader extends Base {
  #path = "a"
  constructor(path, ...rest) { super(); this.path = joined(path, \`b-\${rest.length}\`) }
  async read(options = {}) {
    for (const [key, value] of Object.entries(options)) {
      if (key === "a" && value !== undefined) await this.load(key, { value, b: [1, -2] })
      else if (!value) continue
    }
    for (let i = 0; i < 3; i++) this.items.push(i * 2 + 1)
    try { return JSON.parse(readFileSync(this.path, "utf8")) }
    catch (error) { throw new Error("wrong: " + error.message) }
  }
}
function twice(a, b) { return a ? b ?? a : (c) => ({ ...c, d: c.d?.e }) }
switch (twice(1)) { case 1: module.exports = twice; break; default: while (false) {} }
`
  ],
  [
    "bash",
    `set -e
NAME="$1"; FILES=(a b)
function count() { local n=0; for x in "$@"; do n=$((n + 1)); done; echo "$n"; }
if [ -z "$NAME" ] && ! test -f "/tmp/$NAME"; then
  echo "usage: \${0##*/} name" >&2; exit 1
elif [[ $NAME == *.txt ]]; then cat "$NAME" | grep -v '^#' | sort -u > out.txt
else cat <<END
Hello \${NAME:-nobody}
END
fi
case "$NAME" in start|stop) count a "$(date +%s)" ;; *) true ;; esac
while read -r line; do echo "$line" | sed 's/a/b/'; done < /etc/hosts
`
  ]
]

/** How often they are analysed. */
export const rounds = 30
