import { defer } from './defer.js'
import type { Callback } from './session.js'

/** In milliseconds. A store that never calls back does no harm to a handler of express-session that does not wait for it. */
const longestWait = 5000

/** Calls of the store that a handler began by its session, and may not wait for. */
export class StoreCalls {
  #underWay = 0
  /** Grows as calls are given up, which nobody waits for again. */
  #round = 0
  #waiting: Promise<void> | undefined
  #resolve: (() => void) | undefined

  begin(call: (done: Callback) => unknown, done: Callback): void {
    const round = this.#round
    let isOver = false
    const over = () => {
      if (isOver || round !== this.#round) return
      isOver = true
      this.#underWay--
      // Not at once: the callback, or what awaits a promise, may begin another call, as passport's `logout` does.
      if (this.#underWay === 0 && this.#resolve) defer(this.#resolve)
    }
    this.#underWay++
    try {
      call(function (this: unknown, ...told: Parameters<Callback>) {
        over()
        return Reflect.apply(done, this, told)
      })
    } catch (error) {
      over()
      throw error
    }
  }

  /** Undefined when all are over. */
  whenOver(): Promise<void> | undefined {
    if (this.#underWay > 0) this.#waiting ??= this.#untilOver()
    return this.#waiting
  }

  async #untilOver(): Promise<void> {
    const timer = setTimeout(() => {
      this.#round++
      this.#underWay = 0
      this.#resolve?.()
    }, longestWait)
    while (this.#underWay > 0) await new Promise<void>((resolve) => (this.#resolve = resolve))
    clearTimeout(timer)
    this.#resolve = this.#waiting = undefined
  }
}
