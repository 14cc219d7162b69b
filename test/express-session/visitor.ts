import type { Express } from 'express'
import request from 'supertest'
import { expect } from 'vitest'

/** What the programs show on every page. */
interface Page {
  user: string | null
  views: number
  cart: { book: string; copies: number }[]
}

/** A browser, which keeps its cookies whatever answers it, and knows what it is to be shown. */
export class Visitor {
  readonly #jar = request.agent('http://127.0.0.1').jar
  expected: Page = { user: null, views: 0, cart: [] }

  async get(app: Express, path: string): Promise<Page> {
    const agent = request.agent(app)
    agent.jar = this.#jar
    const response = await agent.get(path).redirects(0)
    // Followed by itself, it would bring cookies that the redirect has just cleared.
    if (response.status === 302) return this.get(app, response.headers.location as string)
    expect(response.status, response.text).toBe(200)
    return response.body
  }
  async look(app: Express): Promise<void> {
    this.expected.views++
    expect(await this.get(app, '/')).toEqual(this.expected)
  }
  async login(app: Express, user: string): Promise<void> {
    this.expected.user = user
    const page = await this.get(app, `/login/${user}`)
    expect(page.user).toBe(user)
    this.expected = page
  }
  async buy(app: Express, book: string): Promise<void> {
    this.expected.cart.push({ book, copies: 1 })
    this.expected.views++
    expect(await this.get(app, `/buy/${book}`)).toEqual(this.expected)
  }
  async logout(app: Express): Promise<void> {
    const page = await this.get(app, '/logout')
    expect(page.user).toBe(null)
    this.expected = page
  }
  /** Looks, and is not known. */
  async isStranger(app: Express): Promise<void> {
    this.expected = { user: null, views: 0, cart: [] }
    await this.look(app)
  }
}
