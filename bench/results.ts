import type { Group, Target } from './groups.ts'
import { type Costs, median } from './measure.ts'
import { type WorkName, workNames } from './visitor.ts'

/** A median of several rounds, and the least and the most of them. */
export interface Figure {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** What one kind of work costs on one side. Microseconds of CPU a request. */
export interface Result {
  readonly side: string
  readonly work: WorkName
  /** The framework and the session together. */
  readonly cost: Figure
  /** Above the bare framework in the same round. */
  readonly above: Figure
  /** That, as a share of what the peer costs above it. */
  readonly ofPeer: Figure
}

export interface Verdict extends Target {
  readonly ratio: Figure
  /** What the floor reaches of it, where there is one. */
  readonly floorRatio?: number
  readonly isMet: boolean
}

export interface GroupResult {
  readonly title: string
  readonly bare: string
  readonly peer: string
  readonly results: readonly Result[]
  readonly verdicts: readonly Verdict[]
}

/** What the rounds of a group come to. Ratios are taken within a round, where the machine was the same for all. */
export function resultOf(group: Group, rounds: readonly Costs[]): GroupResult {
  const { title, bare, peer, others, targets } = group
  const costOf = (round: Costs, side: string, work: WorkName) => round.get(side)?.get(work) ?? Number.NaN
  const aboveOf = (round: Costs, side: string, work: WorkName) =>
    costOf(round, side, work) - (side === bare ? 0 : costOf(round, bare, work))
  const ratioOf = (side: string, against: string, work: WorkName) =>
    figureOf(rounds.map((round) => aboveOf(round, side, work) / aboveOf(round, against, work)))

  const results = [bare, peer, ...others].flatMap((side) =>
    workNames.map((work) => ({
      side,
      work,
      cost: figureOf(rounds.map((round) => costOf(round, side, work))),
      above: figureOf(rounds.map((round) => aboveOf(round, side, work))),
      ofPeer: ratioOf(side, peer, work),
    })),
  )
  const verdicts = targets.map((target) => {
    const ratio = ratioOf(target.side, target.against, target.work)
    if (!target.floor) return { ...target, ratio, isMet: ratio.median <= target.atMost }
    const floorRatio = ratioOf(target.floor, target.against, target.work).median
    return { ...target, ratio, floorRatio, isMet: ratio.median <= Math.max(target.atMost, (floorRatio * 4) / 3) }
  })
  return { title, bare, peer, results, verdicts }
}

function figureOf(numbers: readonly number[]): Figure {
  return { median: median(numbers), least: Math.min(...numbers), most: Math.max(...numbers) }
}
