import { createHash } from 'node:crypto'

/** A script, and the digest by which a server that has run it once knows it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Milliseconds since the epoch by the server's clock, which all processes share. */
const clock = `
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end`

/**
 * An entry of the index that no record names is dropped when it is a minute old. So a record must not be written long
 * after its entry, as by a client that was cut off and sends it late.
 */
function refuseWhenLate(since: string): string {
  return `
if tonumber(${since}) then
  ${clock}
  if clock() - tonumber(${since}) > 30000 then
    return redis.error_reply('LATE the write came long after its entry in the index of users')
  end
end`
}

/**
 * KEYS: sessions. Resolves to one JSON text for each, of its fields and texts in turn, and '' where there is none: clients
 * take many times as long to read them one by one.
 */
export const readSessions = script(`
local texts = {}
for i, key in ipairs(KEYS) do
  local session = redis.call('HGETALL', key)
  texts[i] = #session > 0 and cjson.encode(session) or ''
end
return texts`)

/** ARGV: when the server may drop the record, the time of its entry in the index or '', then fields and texts in turn. */
export const createSession = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
${refuseWhenLate('ARGV[2]')}
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1`)

/**
 * KEYS: sessions. ARGV: a patch for each, as `patchText` writes it. Resolves to the outcome of each; where a patch that names a
 * user was applied, to the user and the entry from before; and where one failed, to its error, for it is not the others' fault.
 */
export const patchSessions = script(`
local function patch(session, text)
  local now, reclaim, since, compared, changed, removed = unpack(cjson.decode(text))
  local before = redis.call('HMGET', session, 'expiresAt', 'userId', 'since')
  if not before[1] or tonumber(before[1]) <= tonumber(now) then return 'absent' end
  for i = 1, #compared, 2 do
    local text = redis.call('HGET', session, compared[i])
    if compared[i + 1] ~= (text and '=' .. text or '') then return 'conflict' end
  end
  ${refuseWhenLate('since')}
  -- A server without memory refuses HSET and allows the others. With HSET first, all is done or nothing.
  for i = 1, #changed, 2 do redis.call('HSET', session, changed[i], changed[i + 1]) end
  for _, field in ipairs(removed) do redis.call('HDEL', session, field) end
  if reclaim ~= '' then redis.call('PEXPIREAT', session, reclaim) end
  if since == '' then return 'applied' end
  return { before[2], before[3] }
end
local outcomes = {}
for i, session in ipairs(KEYS) do
  local isDone, outcome = pcall(patch, session, ARGV[i])
  if not isDone then
    -- The text alone since Redis 7; other engines may give a table.
    outcome = type(outcome) == 'table' and outcome.err or outcome
    -- Clients look for another primary where a call as a whole fails with this; nothing was written yet. Before Redis 7 the
    -- script and line stand before it, and only what is returned is told as it is.
    local refusal = string.match(outcome, 'READONLY.*')
    if refusal then return { err = refusal } end
    outcome = { err = outcome }
  end
  outcomes[i] = outcome
end
return outcomes`)

/** ARGV: the channel for endings, the id. Resolves to nothing, or to whose the record was, by which entry of the index. */
export const deleteSession = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local before = redis.call('HMGET', KEYS[1], 'userId', 'since')
redis.call('PUBLISH', ARGV[1], ARGV[2])
redis.call('DEL', KEYS[1])
return before`)

/** Whose a session is, and by which entry of the index. */
export const readOwner = script(`return redis.call('HMGET', KEYS[1], 'userId', 'since')`)

/**
 * ARGV: user and id, from which age on entries are old. Adds an entry unlike every other; resolves to its time, and to
 * some of the old ones.
 */
export const addEntry = script(`${clock}
local since = clock()
local function text(number) return string.format('%.0f', number) end
while redis.call('ZADD', KEYS[1], 'NX', 0, ARGV[1] .. text(since)) == 0 do since = since + 1 end
local reply = { text(since) }
for _, entry in ipairs(redis.call('ZRANDMEMBER', KEYS[1], 4)) do
  -- What has no time somebody else put there.
  local before = tonumber(string.match(entry, '%d+$'))
  if before and before < since - ARGV[2] then table.insert(reply, entry) end
end
return reply`)

/** ARGV: from where, to where, how many. Resolves to the entries between, and when they stood there. */
export const readEntries = script(`${clock}
local memory = redis.call('INFO', 'memory')
local limited = not string.find(memory, 'maxmemory:0\\r', 1, true)
if limited and string.find(memory, 'maxmemory_policy:allkeys', 1, true) then
  return redis.error_reply('EVICTS the index of users may be evicted')
end
return { clock(), redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3]) }`)

export const removeEntries = script(`for _, entry in ipairs(ARGV) do redis.call('ZREM', KEYS[1], entry) end`)

/** ARGV: the channel, the message. */
export const publish = script(`redis.call('PUBLISH', ARGV[1], ARGV[2])`)

/** A key as the server has it: clients can be told to put something before every key. */
export const readKeyName = script(`return KEYS[1]`)

/** ARGV: the cursor, the pattern. Returns the next cursor, keys, and which run of the server it was. */
export const scanKeys = script(`
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)
return { page[1], page[2], string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') }
`)

/** Which slots a node of a cluster has, and which it is giving away or taking over. */
export const readSlots = script(`return string.match(redis.call('CLUSTER', 'NODES'), '[^\\n]*myself[^\\n]*')`)
