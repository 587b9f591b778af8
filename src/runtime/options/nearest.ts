/** Finds the name that was probably meant by a misspelled one. */

/**
 * Returns the candidate that differs in at most two characters, and in less than half of the name, or that extends the
 * name or is extended by it. Upper case, dashes and underscores do not matter.
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const text = plain(name)
  const [best] = candidates
    .filter((candidate) => candidate !== name)
    .map((candidate) => ({
      candidate,
      edits: distance(text, plain(candidate)),
      extends: extend(text, plain(candidate)),
    }))
    .filter(({ edits, extends: isExtension }) => (edits <= 2 && edits < text.length / 2) || isExtension)
    .sort((one, other) => one.edits - other.edits)
  return best?.candidate
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Whether one text begins with the other, and both have at least three characters. */
function extend(one: string, other: string): boolean {
  return Math.min(one.length, other.length) >= 3 && (one.startsWith(other) || other.startsWith(one))
}

/** The number of insertions, deletions, replacements and swaps of neighbors (optimal string alignment). */
function distance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1]
      const isSwap = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      const replaced = (last[column - 1] ?? 0) + (isSame ? 0 : 1)
      const swapped = isSwap ? (beforeLast[column - 2] ?? 0) + 1 : Infinity
      current.push(Math.min(replaced, swapped, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    beforeLast = last
    last = current
  }
  return last[other.length] ?? 0
}
