#!lua flags=allow-oom
-- Cancels by state: what has not started never will; what runs is flagged, and
-- from then on ends only as cancelled; what has ended says how.
-- In:  2 id, 3 account, 4 outcome to stand if it has not started
-- Out: late outcome | asked body | done event key body | unknown | recovering
local id, acct = ARGV[2], ARGV[3]
local x = p .. 'x:' .. id
local v = redis.call('HMGET', x, 'st', 'acct', 'e', 'lane', 'fn', 'wait', 'key', 'lost')
if v[2] ~= acct then
  return {'unknown'}
end
if v[1] == 'f' then
  return {'late', redis.call('HGET', x, 'out')}
end
local lane, fn, lost = v[4], v[5], tonumber(v[8] or 0)
local q = p .. 'q:' .. stream_of(lane, lost)
local body
if v[1] == 'w' then
  local found = redis.call('XRANGE', q, v[3], v[3])[1]
  body = ''
  for at = 1, found and #found[2] or 0, 2 do
    if found[2][at] == 'd' then body = found[2][at + 1] end
  end
  local pending = redis.call('XPENDING', q, 'w', v[3], v[3], 1)[1]
  if pending then
    redis.call('HSET', x, 'cx', 1)
    local channel = string.match(p, '^(.-){') .. 'worker:'
    redis.call('PUBLISH', channel .. pending[2], id)
    return {'asked', body}
  end
else
  body = redis.call('HGET', x, 'body')
end

-- Not started: from here on only writes.
redis.call('DECRBY', p .. 'bytes', #body)
local event = finally(id, x, 'cancelled', ARGV[4], '', v[6], body)
if v[1] == 'w' then
  redis.call('XDEL', q, v[3])
  local s = slots_of(acct, fn)
  change(s, lane, fn, -1)
  promote(s)
  save(s)
else
  redis.call('ZREM', p .. (v[1] == 'b' and 'back:' .. acct or 'delay'), id)
  redis.call('HDEL', x, 'body')
end
return {'done', event, v[7] or '', body}
