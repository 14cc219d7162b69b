/** The value below which that share of the samples lies. Sorts them. */
export function quantile(samples: Float64Array | number[], share: number): number {
  const sorted = samples.sort((a: number, b: number) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** The CPU time of one call, in microseconds. Time that other processes take does not count. */
export function cpuOf(calls: number, call: (index: number) => void): number {
  for (let index = 0; index < calls / 4; index++) call(index)
  const before = process.cpuUsage()
  for (let index = 0; index < calls; index++) call(index)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

/** What a call costs among few and among many, in CPU microseconds, and as a ratio: medians of turns that alternate. */
export interface CostAmong {
  few: number
  many: number
  ratio: number
}

/** Measures both side by side: a machine that is slow for a moment is so for both. */
export function cpuAmong(few: (index: number) => void, many: (index: number) => void): CostAmong {
  const calls = 20_000
  const turns = Array.from({ length: 9 }, () => {
    const cost = { few: cpuOf(calls, few), many: cpuOf(calls, many) }
    return { ...cost, ratio: cost.many / cost.few }
  })
  const median = (part: keyof CostAmong) =>
    quantile(
      turns.map((turn) => turn[part]),
      0.5,
    )
  return { few: median('few'), many: median('many'), ratio: median('ratio') }
}
