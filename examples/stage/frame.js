import { readFile } from 'node:fs/promises'
// A template tag that escapes what is put in, so that nobody can forget to.
import { html } from 'hono/html'

export { html }

/** The frame of every page: `title` for the tab, `main` made with `html`, `nav` the links at the top. */
export function page({ title, main, nav = '', wide = false }) {
  return String(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>${title} · Sojourn</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/style.css">
  </head>
  <body>
    <header class="bar">
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28">Sojourn</a>
      ${nav && html`<nav aria-label="Site">${nav}</nav>`}
    </header>
    <main class="${wide ? 'card wide' : 'card'}">
      ${main}
    </main>
  </body>
</html>
`)
}

export function viewCount(views) {
  return html`<p class="count"><strong>${views}</strong> <span>${views === 1 ? 'view' : 'views'} in this browser</span></p>`
}

/** A moment, as a time that machines can read as well. */
export function time(milliseconds) {
  return html`<time datetime="${new Date(milliseconds).toISOString()}">${utc(milliseconds)}</time>`
}

export function utc(milliseconds) {
  const form = { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }
  return `${new Date(milliseconds).toLocaleString('en-GB', form)} UTC`
}

/** A page that says one thing. */
export function notice(title, text) {
  return page({
    title,
    main: html`<h1>${title}</h1>
      <p>${text}</p>
      <p><a class="button" href="/">To the start page</a></p>`,
  })
}

/** What keeps other sites out of a page. Helmet sets the same in the examples on Express. */
export const safeHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
}

const files = {
  '/style.css': 'text/css; charset=utf-8',
  '/icon.svg': 'image/svg+xml',
  '/arches.svg': 'image/svg+xml',
}

/** The style sheet and its pictures: type and content, or `undefined` for another path. */
export async function publicFile(path) {
  if (!Object.hasOwn(files, path)) return undefined
  return { type: files[path], body: await readFile(new URL(`public${path}`, import.meta.url)) }
}
