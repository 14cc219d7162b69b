import { promised } from './contestant.js'
import { brokenPromises, type Outcome } from './torture.js'

export const header = 'requests   faults   errors   slowest   promises'

/** One line for an outcome, and one for each promise that did not hold. */
export function describeOutcome(outcome: Outcome): string {
  const { arena, fault, faults, operations, errors, slowest, broken, exceptions } = outcome
  const failed = Object.values(errors).reduce((total, count) => total + count, 0)
  const numbers = [
    String(operations).padStart(8),
    String(faults).padStart(8),
    String(failed).padStart(8),
    `${Math.round(slowest)} ms`.padStart(9),
  ]
  const verdict = brokenPromises(outcome).length > 0 ? 'BROKEN' : 'held'
  const lines = [`${numbers.join(' ')}   ${verdict.padEnd(8)}   ${arena}: ${fault}`]
  for (const figure of promised) {
    if (broken[figure] === 0) continue
    const reason = exceptions[figure]
    lines.push(`${' '.repeat(40)}${broken[figure]} ${figure}${reason === undefined ? '' : ` (may be: ${reason})`}`)
  }
  if (broken['wrong errors'] > 0) lines.push(`${' '.repeat(40)}${JSON.stringify(errors)}`)
  return lines.join('\n')
}
