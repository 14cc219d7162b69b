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
