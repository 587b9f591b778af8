/** Measures alternately, so that a temporary slowdown of the machine affects everything that is compared. */

/** Measures each thing once per round, in an order that rotates. Results are in the order of the rounds. */
export async function inTurns<Thing, Result>(
  rounds: number,
  things: Readonly<Record<string, Thing>>,
  measure: (thing: Thing, name: string) => Promise<Result>,
): Promise<Record<string, Result[]>> {
  const all = Object.entries(things)
  const results: Record<string, Result[]> = Object.fromEntries(all.map(([name]) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    const first = round % all.length
    for (const [name, thing] of [...all.slice(first), ...all.slice(0, first)])
      results[name]?.push(await measure(thing, name))
  }
  return results
}

/** Appends the results of more rounds to `to`. */
export function add<Result>(more: Readonly<Record<string, Result[]>>, to: Record<string, Result[]>): void {
  for (const [name, results] of Object.entries(more)) to[name] = [...(to[name] ?? []), ...results]
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  const [lower = Number.NaN, upper = lower] = sorted.slice(Math.ceil(middle) - 1, Math.floor(middle) + 1)
  return (lower + upper) / 2
}

/** The median of the quotients of each round. */
export function ratio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((number, round) => number / (to[round] ?? Number.NaN)))
}
