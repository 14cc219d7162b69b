import { computed, Injectable, signal } from '@angular/core'
import { type SessionStatus, sessionClient } from 'sojourn/client'
import { api } from './api'

/** Whether the visitor is signed in, as all of their tabs know it. */
@Injectable({ providedIn: 'root' })
export class Visitor {
  /** Of the last sign-in or sign-out; `null` until the API has answered. */
  readonly status = signal<SessionStatus | null>(null)
  readonly signedIn = computed(() => this.status()?.signedIn ?? null)
  /** Milliseconds that are left to one who does nothing, once they are few. */
  readonly expiresIn = signal<number | null>(null)

  readonly #session = sessionClient({
    status: `${api}/api/session`,
    onChange: (status) => this.status.set(status),
    onExpiring: (milliseconds) => this.expiresIn.set(milliseconds),
  })

  /** After a sign-in or sign-out: every tab is to know. */
  async changed(): Promise<void> {
    await this.#session.changed()
  }

  /** Where the look fails, the next one tells. */
  async lookAgain(): Promise<void> {
    await this.#session.refresh().catch(() => undefined)
  }
}
