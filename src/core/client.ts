import { noteIn } from './own-names.js'
import type { RequestFacts } from './request-facts.js'

/** The browser or app behind a session, as far as it is known. */
export interface Client {
  /** The `User-Agent` header, at most 256 characters of it. */
  readonly agent?: string
  /** As the framework tells it, at most 256 characters of it. */
  readonly address?: string
}

/** What a record keeps of the client that it was made for, or that signed in. */
export const clientName = '__client'

/** What of a client is to be kept. */
export interface ClientSettings {
  readonly device: boolean
  readonly address: boolean
}

/** Text for the record; `undefined` where nothing is known or nothing is to be kept. */
export function clientText(request: RequestFacts, keep: ClientSettings): string | undefined {
  const text = JSON.stringify({
    agent: keep.device ? short(request.header('user-agent')) : undefined,
    address: keep.address ? short(request.address) : undefined,
  })
  return text === '{}' ? undefined : text
}

function short(text: string | undefined): string | undefined {
  return text?.slice(0, 256).toWellFormed()
}

/** Reads what a record keeps and is still to be kept. Empty where there is nothing, or where it cannot be read. */
export function clientOf(values: Readonly<Record<string, string>>, keep: ClientSettings): Client {
  const { agent, address } = noteIn(values, clientName)
  return {
    ...(keep.device && typeof agent === 'string' && { agent }),
    ...(keep.address && typeof address === 'string' && { address }),
  }
}

/**
 * What is different about a client, beyond an update of its browser or another address in its network. Not every way in
 * knows the address: one that is not known is no change.
 */
export function clientChanges(before: Client, now: Client): ('device' | 'network')[] {
  const changes: ('device' | 'network')[] = []
  if (before.agent !== undefined && withoutVersions(before.agent) !== withoutVersions(now.agent)) changes.push('device')
  if (before.address && now.address && networkOf(before.address) !== networkOf(now.address)) changes.push('network')
  return changes
}

function withoutVersions(agent = ''): string {
  return agent.replace(/[\d._]+/g, '')
}

/** The /24 of an IPv4 address, the /48 of an IPv6 one. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (plain.includes('.')) return plain.split('.', 3).join('.')
  const [head = ''] = plain.split('::', 1)
  const groups = head.split(':').filter(Boolean)
  return [...groups, '0', '0', '0'].slice(0, 3).join(':').toLowerCase()
}
