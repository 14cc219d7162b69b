/**
 * Starts an example from a checkout, on the source as it stands: `npm run start:counter`. With an argument more, another
 * file of it than server.js: `npm run start:steps 2-sessions`. A shell's `node` may be too old for it.
 */
import { existsSync, readdirSync } from 'node:fs'
import { build, isStale } from '../tools/build.ts'

const [example = '', file = 'server'] = process.argv.slice(2)
const place = (name, program) => new URL(`./${name}/${program}.js`, import.meta.url)

if (/^[\w-]+$/.test(example) && existsSync(place(example, file))) {
  const complaint = (await isStale()) && (await build({ checked: false }))
  if (complaint) process.stderr.write(complaint)
  stopWithNpm()
  await import(place(example, file))
} else {
  console.error(`Say what to start: npx node examples/start.js ${choices().join(' | ')}`)
  process.exitCode = 1
}

function choices() {
  const programs = (folder) =>
    readdirSync(new URL(`./${folder}/`, import.meta.url)).filter((name) => /\.js$/.test(name))
  if (/^[\w-]+$/.test(example) && existsSync(new URL(`./${example}/`, import.meta.url))) {
    return programs(example).map((name) => `${example} ${name.replace('.js', '')}`)
  }
  const folders = readdirSync(new URL('.', import.meta.url), { withFileTypes: true }).filter((it) => it.isDirectory())
  // What the others share is no example.
  return folders.map(({ name }) => name).filter((name) => name !== 'stage')
}

/** npm starts us through a shell, which hands no signal on: whoever stops npm alone would leave us running. */
function stopWithNpm() {
  const shell = process.ppid
  if (process.env.npm_lifecycle_event === undefined) return
  const watch = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, 100).unref()
}
