import { HttpClient, HttpErrorResponse } from '@angular/common/http'
import {
  afterNextRender,
  Component,
  computed,
  type ElementRef,
  effect,
  Injector,
  inject,
  linkedSignal,
  signal,
  untracked,
  viewChild,
} from '@angular/core'
import { FormsModule } from '@angular/forms'
import { Title } from '@angular/platform-browser'
import { firstValueFrom } from 'rxjs'
import type { SessionStatus } from 'sojourn/client'
import { api } from './api'
import { Visitor } from './visitor'

@Component({
  selector: '#page',
  imports: [FormsModule],
  templateUrl: './page.html',
})
export class Page {
  readonly #http = inject(HttpClient)
  readonly #title = inject(Title)
  readonly #visitor = inject(Visitor)
  readonly #injector = inject(Injector)
  private readonly heading = viewChild<ElementRef<HTMLElement>>('heading')

  readonly signedIn = this.#visitor.signedIn
  readonly isExpiring = computed(() => this.#visitor.expiresIn() !== null)
  readonly userId = signal<string | null>(null)
  /** A guest who signs in keeps their count; with the session of a user it ends. */
  readonly views = linkedSignal<SessionStatus | null, number | null>({
    source: this.#visitor.status,
    computation: (_now, before) => (before && !before.source?.signedIn ? before.value : null),
  })
  readonly orders = signal<readonly string[]>([])
  readonly toast = signal<string | null>(null)
  username = ''
  password = ''

  constructor() {
    void this.countView()
    // The one place that follows the session, whoever changed it: this page, another tab, or the server.
    effect(() => {
      const status = this.#visitor.status()
      untracked(() => (status?.signedIn ? void this.showUser() : this.showStranger()))
    })
  }

  countView(): Promise<void> {
    return this.attempt(async () => {
      const { views } = await this.post<{ views: number }>('views')
      // The API counts for guests as well: that it answered does not say that the user is still signed in.
      if (this.signedIn()) await this.#visitor.lookAgain()
      this.views.set(views)
    })
  }

  signIn(): Promise<void> {
    const { username, password } = this
    return this.attempt(async () => {
      this.password = ''
      await this.post('login', { username, password })
      await this.#visitor.changed()
      this.focusHeading()
    })
  }

  signOut(): Promise<void> {
    return this.attempt(async () => {
      await this.post('logout')
      this.userId.set(null)
      await this.#visitor.changed()
      this.focusHeading()
    })
  }

  showOrders(): Promise<void> {
    return this.attempt(async () => this.orders.set((await this.get<{ orders: string[] }>('orders')).orders))
  }

  /** Any call but that of the status counts as use of the session. */
  stay(): Promise<void> {
    return this.attempt(async () => {
      await this.get('me')
      await this.#visitor.lookAgain()
      this.focusHeading()
    })
  }

  closeToast(): void {
    this.toast.set(null)
    this.focusHeading()
  }

  private async showUser(): Promise<void> {
    await this.attempt(async () => this.userId.set((await this.get<{ userId: string | null }>('me')).userId))
    this.#title.setTitle('Welcome · Sojourn')
  }

  private showStranger(): void {
    // Whoever signed out here was told so by the page itself.
    if (this.userId() !== null) this.toast.set('You were signed out. Sign in to go on.')
    this.userId.set(null)
    this.orders.set([])
    this.#title.setTitle('Sign in · Sojourn')
  }

  /** Does something that the visitor asked for, and says so when it does not work. */
  private async attempt(work: () => Promise<void>): Promise<void> {
    this.toast.set(null)
    try {
      await work()
    } catch (error) {
      // Whose session has ended is told by `showStranger`.
      if (!(this.userId() !== null && statusOf(error) === 401)) this.toast.set(explain(error))
    }
  }

  /** What had the focus is gone; a reader who hears the page is told where they are now. */
  private focusHeading(): void {
    afterNextRender(() => this.heading()?.nativeElement.focus(), { injector: this.#injector })
  }

  private get<T>(path: string): Promise<T> {
    return firstValueFrom(this.#http.get<T>(`${api}/api/${path}`))
  }
  private post<T>(path: string, body: object = {}): Promise<T> {
    return firstValueFrom(this.#http.post<T>(`${api}/api/${path}`, body))
  }
}

function statusOf(error: unknown): number {
  return error instanceof HttpErrorResponse ? error.status : -1
}

function explain(error: unknown): string {
  const status = statusOf(error)
  if (status === 0) return 'The server cannot be reached. Please try again.'
  if (status === 401) return (error as HttpErrorResponse).error?.error ?? 'Please sign in.'
  return 'Something went wrong. Please try again.'
}
