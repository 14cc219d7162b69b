// What runs in the browser. The cookie goes with the upgrade by itself; a script never sees it.
const status = document.getElementById('status')
const say = document.getElementById('say')
const text = document.getElementById('text')
const messages = document.getElementById('messages')
const back = document.getElementById('back')

const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`)

socket.addEventListener('open', () => {
  status.textContent = 'You are in the room.'
})
socket.addEventListener('message', ({ data }) => {
  document.getElementById('empty')?.remove()
  const item = document.createElement('li')
  item.textContent = data
  messages.prepend(item)
})
socket.addEventListener('close', ({ code }) => {
  // 4401: the session ended, here or in another tab.
  const isSignedOut = code === 4401
  status.textContent = isSignedOut ? 'You were signed out.' : 'The connection is gone.'
  back.firstElementChild.textContent = isSignedOut ? 'Sign in' : 'Try again'
  back.hidden = false
  say.remove()
  // What was said was for who was signed in.
  if (isSignedOut) for (const id of ['log', 'logout']) document.getElementById(id).remove()
})
say.addEventListener('submit', (event) => {
  event.preventDefault()
  if (socket.readyState !== WebSocket.OPEN) return
  socket.send(text.value)
  text.value = ''
  text.focus()
})
