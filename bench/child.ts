import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of the bench that answers messages. */
export interface Child<Question, Answer> {
  /** What it says by itself when it is ready. */
  hear(): Promise<Answer>
  ask(question: Question): Promise<Answer>
  end(farewell?: Question): Promise<void>
}

interface How {
  readonly args?: readonly string[]
  readonly execArgv?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a script of this folder. */
export function start<Question extends object | string, Answer>(
  script: string,
  how: How = {},
): Child<Question, Answer> {
  const { args = [], execArgv = [], env } = how
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child: ChildProcess = fork(path, args, { execArgv: [...execArgv], env: { ...process.env, ...env } })
  const gone = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${script} ${args.join(' ')} ended with ${signal ?? `code ${code}`}`)
  })
  gone.catch(() => {})
  const hear = () => Promise.race([once(child, 'message').then(([answer]) => answer as Answer), gone])
  return {
    hear,
    ask(question) {
      child.send(question)
      return hear()
    },
    async end(farewell) {
      if (farewell === undefined) child.disconnect()
      else child.send(farewell)
      await gone.catch(() => {})
    },
  }
}
