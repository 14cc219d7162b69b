import { html, page, time, utc, viewCount } from '../stage/page.js'
import { signInForm } from '../stage/sign-in-form.js'

export function signInPage({ returnTo, username, failed = false }) {
  const action = returnTo === '/' ? '/user' : `/user?${new URLSearchParams({ returnTo })}`
  return page({
    title: failed ? 'Error: Sign in' : 'Sign in',
    nav: navigation(),
    main: html`<h1>Sign in</h1>
      ${returnTo !== '/' && html`<p class="quiet">Sign in to go on to <code>${returnTo}</code>.</p>`}
      ${signInForm({ action, username, failed })}`,
  })
}

export function welcomePage({ userId, views }) {
  return page({
    title: 'Welcome',
    nav: navigation('/', userId),
    main: html`<h1>Welcome, ${userId}</h1>
      <p class="quiet">You are signed in, and stay so when the server restarts.</p>
      ${viewCount(views)}
      <div class="actions">
        <a class="button" href="/profile">Profile</a>
        ${logOutForm('second')}
      </div>`,
  })
}

export function viewsPage({ userId, views }) {
  return page({
    title: 'Views',
    nav: navigation('/views', userId),
    main: html`<h1>Your views</h1>
      <p class="quiet">Each browser has a counter of its own. Reload the page, or open it in a private window.</p>
      ${viewCount(views)}`,
  })
}

export function profilePage({ id, userId, authenticatedAt, expiresAt, views = 0 }) {
  return page({
    title: 'Profile',
    nav: navigation('/profile', userId),
    wide: true,
    main: html`<h1>Profile</h1>
      <p class="quiet">Only a signed-in user sees this page.</p>
      <dl class="facts">
        <div><dt>Username</dt><dd>${userId}</dd></div>
        <div><dt>Signed in</dt><dd>${time(authenticatedAt)}</dd></div>
        <div><dt>Expires, if unused</dt><dd>${time(expiresAt)}</dd></div>
        <div><dt>Views</dt><dd>${views}</dd></div>
        <div><dt>Session</dt><dd><code>${id}</code></dd></div>
      </dl>
      <div class="actions">${logOutForm('second')}</div>`,
  })
}

export function devicesPage({ id, userId, devices, next, mayEnd, failed }) {
  const latestFirst = devices.toSorted((a, b) => b.lastSeenAt - a.lastSeenAt)
  const here = latestFirst.filter((device) => device.id === id)
  const others = latestFirst.filter((device) => device.id !== id)
  return page({
    title: failed ? 'Error: Your devices' : 'Your devices',
    nav: navigation('/devices', userId),
    wide: true,
    main: html`<h1>Your devices</h1>
      <p class="quiet">Where you are signed in. End what you do not know, then change your password.</p>
      ${!mayEnd && others.length > 0 && passwordForm({ userId, failed })}
      <ul class="list">
        ${[...here, ...others].map((device) => deviceItem(device, { isHere: device.id === id, mayEnd }))}
      </ul>
      ${next !== null && html`<p><a href="/devices?${String(new URLSearchParams({ after: next }))}">More devices</a></p>`}
      ${mayEnd && others.length > 0 && endForm({ label: 'Sign out all other devices' })}`,
  })
}

export function noDevicesPage({ userId }) {
  return page({
    title: 'Your devices',
    nav: navigation('/devices', userId),
    main: html`<h1>Your devices</h1>
      <p>The store that holds the sessions of this app cannot list them, so no other device can be shown or signed out here.</p>
      <div class="actions">${logOutForm('second')}</div>`,
  })
}

function deviceItem({ id, device, address, authenticatedAt, lastSeenAt }, { isHere, mayEnd }) {
  const name = device?.name ?? 'An unknown device'
  return html`<li>
    <h2>${name} ${isHere && html`<span class="badge">This device</span>`}</h2>
    <p class="quiet">${address !== null && html`<code>${address}</code>, `}signed in ${time(authenticatedAt)}, last seen ${time(lastSeenAt)}</p>
    ${!isHere && mayEnd && endForm({ device: id, label: 'Sign out', of: `${name}, signed in ${utc(authenticatedAt)}` })}
  </li>`
}

/** Ends one session, or all but this one. */
function endForm({ device, label, of }) {
  return html`<form method="post" action="/devices/end">
    ${device && html`<input type="hidden" name="device" value="${device}">`}
    <button class="second"${of && html` aria-label="${label}: ${of}"`}>${label}</button>
  </form>`
}

function passwordForm({ userId, failed }) {
  const invalid = failed && html` autofocus aria-invalid="true" aria-describedby="problem"`
  return html`${failed && html`<p class="alert" role="alert" id="problem">That is not your password</p>`}
    <form method="post" action="/devices/password">
      <input type="text" name="username" value="${userId}" autocomplete="username" hidden>
      <div class="field">
        <label for="password">Your password, to sign out other devices</label>
        <input id="password" name="password" type="password" required autocomplete="current-password"${invalid}>
      </div>
      <button>Continue</button>
    </form>`
}

/** A link must not sign anybody out by itself: browsers fetch links ahead, and other sites can embed them. */
export function logOutPage({ userId }) {
  return page({
    title: 'Log out',
    nav: navigation('/logout', userId),
    main: html`<h1>Log out?</h1>
      <p class="quiet">You are signed in as ${userId}.</p>
      <div class="actions">
        <a class="button second" href="/">Stay</a>
        ${logOutForm()}
      </div>`,
  })
}

export function examplesPage({ userId, examples }) {
  return page({
    title: 'Examples',
    nav: navigation('/examples', userId),
    wide: true,
    main: html`<h1>More examples</h1>
      <p class="quiet">Each starts with one command beside this one, and has a page to read in its folder.</p>
      <ul class="list">
        ${examples.map(
          ({ name, shows, command, url }) => html`<li>
            <h2>${name}</h2>
            <p>${shows}</p>
            <p><code>${command}</code> <span class="quiet">then</span> <a href="${url}">${url}</a></p>
          </li>`,
        )}
      </ul>`,
  })
}

function navigation(here, userId = null) {
  const own = [
    ['/profile', 'Profile'],
    ['/devices', 'Devices'],
  ]
  const links = [...(userId === null ? [] : own), ['/views', 'Views'], ['/examples', 'Examples']]
  return links.map(([path, name]) => html`<a href="${path}"${path === here && html` aria-current="page"`}>${name}</a>`)
}

function logOutForm(look = '') {
  return html`<form method="post" action="/logout"><button${look && html` class="${look}"`}>Log out</button></form>`
}
