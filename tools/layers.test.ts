import { expect, test } from 'vitest'
import { violations } from './layers.js'

const check = (files: Record<string, string>) =>
  violations({ files: new Map(Object.entries(files)), dependencies: ['cookie'] })

const engine = { 'core/store.ts': '', 'core/errors.ts': '', 'adapters/gate.ts': "import '../core/store.js'" }

test('what the layers allow passes', () => {
  expect(
    check({
      ...engine,
      'index.ts': "export * from './core/errors.js'",
      'core/sessions.ts': "import { parse } from 'cookie'\nimport { a } from './store.js'\nimport 'node:crypto'",
      'stores/redis.ts': "import type { SessionStore } from '../core/store.js'\nimport type { Redis } from 'ioredis'",
      'stores/open.ts': "const { redisStore } = await import('./redis.js')",
      'stores/memory.ts': "import { expiries } from './memory/expiry.js'",
      'stores/memory/expiry.ts': "import '../../core/store.js'",
      'adapters/express.ts': "import { hold } from './gate.js'\n/**\n * import { x } from 'sojourn'\n */",
      'express-session/index.ts': "import './cookie.js'\nimport '../adapters/gate.js'",
      'express-session/cookie.ts': '',
    }),
  ).toEqual([])
})

test.each([
  ['core/sessions.ts', "import { memoryStore } from '../stores/memory.js'"],
  ['core/sessions.ts', "import type { MemoryOptions } from '../stores/memory.js'"],
  ['core/sessions.ts', "type Options = import('../stores/memory.js').MemoryOptions"],
  ['core/sessions.ts', "export { memoryStore } from '../stores/memory.js'"],
  ['core/sessions.ts', "import {\n  memoryStore,\n} from '../stores/memory.js'"],
  ['core/sessions.ts', "import type { Request } from 'express'"],
  ['core/sessions.ts', "import { it } from './missing.js'"],
  ['stores/sqlite.ts', "import { memoryStore } from './memory.js'"],
  ['stores/open.ts', "import { memoryStore } from './memory.js'"],
  ['stores/sqlite/schema.ts', "import { memoryStore } from '../memory.js'"],
  ['adapters/koa.ts', "import { session } from './express.js'"],
  ['adapters/koa.ts', "import { memoryStore } from '../stores/memory.js'"],
  ['doctor/index.ts', "import { hold } from '../adapters/gate.js'"],
  ['express-session/index.ts', "import { session } from '../adapters/express.js'"],
  ['index.ts', "export * from './stores/memory.js'"],
  ['stores/sqlite.ts', "import { SojournError } from 'sojourn'"],
  ['server/index.ts', "import '../core/store.js'"],
  ['core/session-utils.ts', ''],
  ['core/types.ts', ''],
])('%s with %j is refused', (file, code) => {
  const complaints = check({ ...engine, 'stores/memory.ts': '', 'adapters/express.ts': '', [file]: code })
  expect(complaints).toHaveLength(1)
  expect(complaints[0]).toContain(file)
})

test('a cycle is refused, also one of types', () => {
  const complaints = check({
    'core/a.ts': "import type { B } from './b.js'",
    'core/b.ts': "import type { C } from './c.js'",
    'core/c.ts': "import type { A } from './a.js'",
  })
  expect(complaints).toEqual(['a cycle: core/a.ts → core/b.ts → core/c.ts → core/a.ts'])
})
