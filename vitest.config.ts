import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // The public paths lead to the source, so that a test of an example or a document tries what is being edited.
    alias: [
      { find: /^sojourn$/, replacement: source('index.ts') },
      { find: /^sojourn\/(client|doctor|express-session)$/, replacement: source('$1/index.ts') },
      { find: /^sojourn\/(conformance|stores)\/([^/]+)$/, replacement: source('$1/$2.ts') },
      { find: /^sojourn\/([^/]+)$/, replacement: source('adapters/$1.ts') },
    ],
  },
  test: {
    include: ['{src,test,tools,bench,examples}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: 'tools/build-for-tests.ts',
    // Browsers and database servers run beside the tests: more workers than this only make each of them late.
    maxWorkers: 2,
    // Generous: a slow machine is no failure. What has to be quick says so itself.
    testTimeout: 90_000,
    // Browsers, and servers that are killed on purpose, are late now and then. The report names what was tried again.
    retry: process.env.CI ? 1 : 0,
    // A hook may have to install a server first.
    hookTimeout: 300_000,
    teardownTimeout: 30_000,
  },
})
