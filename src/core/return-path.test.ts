import fc from 'fast-check'
import { expect, test } from 'vitest'
import { localPath, returnPathOf, withReturnPath } from './return-path.js'

test.each([
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  'https://evil.example',
  'https:evil.example',
  'javascript:alert(1)',
  'evil.example',
  '',
  ' /x',
  '/..//evil.example',
  '/./\\evil.example',
  '/%5cevil.example/..//evil.example',
  undefined,
  null,
  5,
  ['/x'],
])('%j does not lead off the site', (text) => {
  const path = localPath(text, '/fallback')
  expect(path === '/fallback' || /^\/(?![/\\])/.test(path)).toBe(true)
  expect(new URL(path, 'https://site.example').host).toBe('site.example')
})

test.each(['/', '/profile', '/a/b?c=d&e=%20#f', '/ä?ö=ü'])('%j stays', (path) => {
  expect(decodeURI(localPath(path))).toBe(decodeURI(path))
  expect(decodeURI(returnPathOf(withReturnPath('/login', path)))).toBe(decodeURI(path))
  expect(decodeURI(returnPathOf(withReturnPath('/login?theme=dark', path)))).toBe(decodeURI(path))
})

test.each([
  ['/вход', '/%D0%B2%D1%85%D0%BE%D0%B4'],
  ['/log in?to=%2F&for=ä', '/log%20in?to=%2F&for=%C3%A4'],
  ['/\ud800', '/%EF%BF%BD'],
])('a login page at %j is named as a header can name it, and its own guard is found', (loginPath, start) => {
  const address = withReturnPath(loginPath, '/profile')
  expect(address).toBe(`${start}${loginPath.includes('?') ? '&' : '?'}returnTo=%2Fprofile`)
  expect(withReturnPath(loginPath)).toBe(start)
  expect(() => withReturnPath(loginPath, address)).toThrow('a page before this guard')
})

test('whatever the text, a browser stays on the site', () => {
  const hostile = fc.stringMatching(/^[/\\.:@?#%a-z\t\n\r ]{0,12}$/)
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
      for (const path of [localPath(text), localPath(`/${text}`), returnPathOf(`/login?returnTo=${text}`)]) {
        const url = new URL(path, 'https://site.example/deep/er')
        expect(url.origin).toBe('https://site.example')
        expect(path.startsWith('//')).toBe(false)
      }
    }),
    { numRuns: 5000 },
  )
})
