// Compiled by package.test.ts, not run: what a user of CommonJS writes.
import express = require('express')
import sojourn = require('sojourn')
import expressSession = require('sojourn/express-session')
import memory = require('sojourn/stores/memory')

const sessions = sojourn.createSessions({ store: memory.memoryStore() })
const app = express()
app.use(expressSession({ secret: 'keyboard cat', resave: false, saveUninitialized: false }))

export = { app, sessions }
