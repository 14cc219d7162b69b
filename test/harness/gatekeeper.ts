import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NodeResponse } from '../../src/adapters/gate/head.js'
import { expectGate, inheritedHooks } from '../../src/adapters/gate/inherited-hooks.js'
import { type Gatekeeper, onEntry, placeGate } from '../../src/adapters/gate.js'
import { converse, lastRequest, serve } from './http.js'

export const cookie = 'Set-Cookie: session=1'

/** Puts up a gate when made, notes what it is asked, and saves when it is told to. */
export class Keeper implements Gatekeeper {
  readonly asked: string[] = []
  /** Settles `beforeHead`, where the keeper saves later. */
  readonly saving = deferred()
  readonly response: ServerResponse
  readonly #savesLater: boolean
  readonly #answerFailure: (error: unknown) => void

  constructor(
    response: NodeResponse,
    when: 'at once' | 'later',
    answerFailure = (_error: unknown): void => void this.response.writeHead(503).end('down'),
  ) {
    this.response = response as ServerResponse
    this.#savesLater = when === 'later'
    this.#answerFailure = answerFailure
    const placed = () => placeGate(response, onEntry(response), this, inheritedHooks)
    expectGate(response, { isExpected: true, placeGate: placed })
    placed().watch()
  }
  beforeHead(): PromiseLike<void> | undefined {
    this.asked.push('beforeHead')
    return this.#savesLater ? this.saving.promise : undefined
  }
  writeHeaders(): void {
    this.asked.push('writeHeaders')
    const others = (this.response.getHeader('Set-Cookie') ?? []) as string | string[]
    this.response.setHeader('Set-Cookie', [others, 'session=1'].flat())
  }
  beforeEnd(): PromiseLike<void> | undefined {
    this.asked.push('beforeEnd')
    return undefined
  }
  failed(error: unknown): void {
    this.asked.push(`failed: ${(error as Error).message}`)
    this.#answerFailure(error)
  }
}

/** A promise and what settles it. */
export function deferred() {
  let settle = { resolve: () => {}, reject: (_error: Error) => {} }
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}

export type Handler = (response: ServerResponse, keeper: Keeper, request: IncomingMessage) => unknown

/** What a client receives from a handler whose session is saved later: when the handler settles `keeper.saving`. */
export async function answerOf(handler: Handler, request = lastRequest()): Promise<string> {
  const port = await serve((incoming, response) => {
    void handler(response, new Keeper(response, 'later'), incoming)
  })
  return converse(port, request)
}

/** The lines of one header, as they were sent. */
export function headerLines(answer: string, name: string): string[] {
  const [head = ''] = answer.split('\r\n\r\n')
  return head.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
}

/** The code of an error, or of what a function throws. */
export function codeOf(attempt: unknown): string | undefined {
  try {
    return (typeof attempt === 'function' ? attempt() : attempt)?.code
  } catch (error) {
    return (error as { code?: string }).code
  }
}
