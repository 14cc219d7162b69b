/** The pages of the examples that show one framework each: a start page for everybody and a profile for users. */
import { html, notice, page, time, viewCount } from './frame.js'
import { signInForm } from './sign-in-form.js'

export function startPage({ userId, views }) {
  return page({
    title: 'Start',
    main: html`<h1>${userId === null ? 'Hello, stranger' : `Hello, ${userId}`}</h1>
      ${viewCount(views)}
      <div class="actions">
        <a class="button" href="/profile">Profile</a>
        ${userId !== null && html`<form method="post" action="/logout"><button class="second">Log out</button></form>`}
      </div>`,
  })
}

export function profilePage({ userId, authenticatedAt, views = 0 }) {
  return page({
    title: 'Profile',
    main: html`<h1>Profile</h1>
      <dl class="facts">
        <div><dt>Username</dt><dd>${userId}</dd></div>
        <div><dt>Signed in</dt><dd>${time(authenticatedAt)}</dd></div>
        <div><dt>Views</dt><dd>${views}</dd></div>
      </dl>
      <p><a href="/">Back to the start page</a></p>`,
  })
}

/** Hands the way back on in the address: a stranger's wish is not worth a stored session. */
export function signInPage(returnTo, tried) {
  const action = `/login?${new URLSearchParams({ returnTo })}`
  return page({ title: 'Sign in', main: html`<h1>Sign in</h1>${signInForm({ action, ...tried })}` })
}

/**
 * Whether a form is as small as the one here, by its `Content-Length`, which browsers send with every form. Strangers may send
 * more than there is memory.
 */
export function isSmallForm(contentLength) {
  return Number(contentLength ?? Number.POSITIVE_INFINITY) <= 10_000
}

/** For an error, and for an address that leads nowhere. */
export function problemPage(status) {
  if (status === 404) return notice('Page not found', 'Nothing lives at this address.')
  if (status >= 500) return notice('Something went wrong', 'Please try again in a moment.')
  return notice('That did not work', 'Go back, reload the page and try again.')
}
