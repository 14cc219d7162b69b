import type { Callback } from './session.js'

/** In milliseconds. A store that never calls back does no harm to a handler of express-session that does not wait for it. */
const longestWait = 5000

/** Calls of the store that a handler began by its session, and may not wait for. */
export class StoreCalls {
  #underWay = 0
  #resolve: (() => void) | undefined

  begin(call: (done: Callback) => unknown, done: Callback): void {
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      this.#underWay--
      if (this.#underWay === 0) this.#resolve?.()
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
    if (this.#underWay === 0) return undefined
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, longestWait)
      this.#resolve = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
