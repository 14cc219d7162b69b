import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answers, Command } from './worker.js'

/** A process that takes commands. */
export interface Worker {
  tell<Do extends Command['do']>(command: Extract<Command, { do: Do }>): Promise<Answers[Do]>
  end(): void
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export function startWorker(): Worker {
  const child = fork(here('worker.ts'), [], { execArgv: ['--import', here('typescript.js')] })
  const waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>()
  let number = 0
  child.on('message', (message: { number: number; answer?: unknown; error?: string }) => {
    const asked = waiting.get(message.number)
    waiting.delete(message.number)
    if (message.error === undefined) asked?.resolve(message.answer as never)
    else asked?.reject(new Error(message.error))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`a process ended with ${signal ?? `code ${code}`}`))
  })
  return {
    tell(command) {
      number++
      return new Promise((resolve, reject) => {
        waiting.set(number, { resolve, reject })
        child.send({ number, command })
      })
    },
    end() {
      if (child.connected) child.disconnect()
    },
  }
}
