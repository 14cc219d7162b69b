/** Installs Angular and builds the page, each where that was not done since the last change. */
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const app = fileURLToPath(new URL('app', import.meta.url))
const client = fileURLToPath(new URL('../../src/client', import.meta.url))
const configuration = ['angular.json', 'package.json', 'package-lock.json', 'tsconfig.json']

/** Resolves to the folder of the files to serve. */
export async function builtPage() {
  const installed = changed(join(app, 'node_modules/.package-lock.json'))
  if (installed < changed(join(app, 'package-lock.json'))) {
    console.log('Installing Angular, which takes about half a minute …')
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  }
  const index = join(app, 'dist/index.html')
  const sources = [...filesIn(join(app, 'src')), ...filesIn(client), ...configuration.map((name) => join(app, name))]
  if (changed(index) < Math.max(...sources.map(changed))) {
    console.log('Building the page …')
    // One that fails must not leave the page of before.
    rmSync(index, { force: true })
    await run('npm', ['run', '--silent', 'build'])
  }
  return join(app, 'dist')
}

function filesIn(folder) {
  return readdirSync(folder).map((name) => join(folder, name))
}

/** When a file was last written; 0 where there is none. */
function changed(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function run(program, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, options, { cwd: app, stdio: 'inherit', shell: process.platform === 'win32' })
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${options.join(' ')} ended with code ${code}`)),
    )
  })
}
