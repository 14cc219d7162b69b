import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { vi } from 'vitest'
import type { SessionEventName } from '../../src/core/events.js'
import type { Sessions } from '../../src/core/sessions.js'

export const eventNames: readonly SessionEventName[] = [
  'created',
  'signedIn',
  'renewed',
  'ended',
  'refused',
  'writeDropped',
  'bindingChanged',
  'outage',
  'sameNameCookies',
]

/** Keeps every text that a program can come by: what is printed, thrown, reported and answered. */
export class Listener {
  readonly #texts: string[] = []
  readonly #stops: (() => unknown)[] = []
  /** The names of the events that it heard. */
  readonly events = new Set<string>()
  /** The codes of the errors that it heard. */
  readonly codes = new Set<unknown>()

  /** Takes note of a thing in every way in which it can be printed. */
  hear(thing: unknown): void {
    const everything = { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null }
    this.#texts.push(inspect(thing, { ...everything, showHidden: true }))
    this.#texts.push(inspect(thing, { ...everything, showHidden: true, showProxy: true }))
    this.#texts.push(
      inspect(thing, { ...everything, showHidden: true, showProxy: true, customInspect: false, getters: true }),
    )
    this.#texts.push(inspect(thing), `${typeof thing === 'object' ? '' : String(thing)}`)
    try {
      this.#texts.push(String(JSON.stringify(thing)))
    } catch {
      // What cannot be written as JSON reaches no log as JSON.
    }
    for (let error = thing; error instanceof Error; error = error.cause) {
      this.#texts.push(error.message, String(error.stack), String(error))
      this.codes.add((error as { code?: unknown }).code)
    }
  }

  /** Takes note of how something ends. */
  async outcome(attempt: () => unknown): Promise<void> {
    try {
      this.hear(await attempt())
    } catch (error) {
      this.hear(error)
    }
  }

  /** From now on, hears what these sessions report. */
  attend(sessions: Sessions): void {
    for (const name of eventNames) {
      const hear = (event: unknown) => {
        this.events.add(name)
        this.hear(event)
      }
      this.#stops.push(sessions.on(name, hear))
      subscribe(`sojourn:${name}`, hear)
      this.#stops.push(() => unsubscribe(`sojourn:${name}`, hear))
    }
  }

  /** From now on, hears what the process prints and warns of. */
  attendProcess(): void {
    const hear = (...given: unknown[]) => void given.forEach((one) => void this.hear(one))
    for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
      this.#stops.push(vi.spyOn(console, method).mockImplementation(hear).mockRestore)
    this.#stops.push(vi.spyOn(process, 'emitWarning').mockImplementation(hear).mockRestore)
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  /** Where one of these texts was heard, with what stood around it. */
  whereHeard(secrets: Iterable<string>): string[] {
    const all = [...new Set(this.#texts)].join('\n')
    return [...secrets].flatMap((secret) => {
      const index = all.indexOf(secret)
      return index === -1 ? [] : [all.slice(Math.max(0, index - 120), index + secret.length)]
    })
  }
}
