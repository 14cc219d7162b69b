import { html } from './page.js'

/**
 * A form that asks who the visitor is. After a try that failed it says so, and keeps the name that was given.
 * `more` comes before the button.
 */
export function signInForm({ action, username = '', failed = false, more = '' }) {
  const invalid = failed && html` aria-invalid="true" aria-describedby="problem"`
  return html`${failed && html`<p class="alert" role="alert" id="problem">Invalid username or password</p>`}
      <form method="post" action="${action}">
        <div class="field">
          <label for="username">Username</label>
          <input id="username" name="username" value="${username}" required autocomplete="username"
            autocapitalize="none" spellcheck="false"${invalid}${!failed && html` autofocus`}>
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input id="password" name="password" type="password" required
            autocomplete="current-password"${invalid}${failed && html` autofocus`}>
        </div>
        ${more}
        <button>Sign in</button>
      </form>
      <p class="hint">To try it: <code>user1</code> with <code>mypassword</code></p>`
}
