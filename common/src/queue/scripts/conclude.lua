#!lua flags=allow-oom
-- Ends in Redis what PostgreSQL knows to be final, or decided to be.
-- In:  2 id, 3 final state, 4 outcome
-- Out: ok, 1 if it was open | recovering
local id = ARGV[2]
local x = p .. 'x:' .. id
local v = redis.call('HMGET', x, 'st', 'e', 'lane', 'acct', 'fn', 'lost', 'wait', 'body')
if not v[1] or v[1] == 'f' then
  return {'ok', 0}
end
if v[1] == 'w' then
  local q = p .. 'q:' .. stream_of(v[3], tonumber(v[6] or 0))
  local found = redis.call('XRANGE', q, v[2], v[2])[1]
  for at = 1, found and #found[2] or 0, 2 do
    if found[2][at] == 'd' then
      redis.call('DECRBY', p .. 'bytes', #found[2][at + 1])
    end
  end
  redis.call('XACK', q, 'w', v[2])
  redis.call('XDEL', q, v[2])
  local s = slots_of(v[4], v[5])
  change(s, v[3], v[5], -1)
  promote(s)
  save(s)
else
  redis.call('ZREM', p .. (v[1] == 'b' and 'back:' .. v[4] or 'delay'), id)
  redis.call('DECRBY', p .. 'bytes', #(v[8] or ''))
  redis.call('HDEL', x, 'body')
end
finally(id, x, ARGV[3], ARGV[4], '', v[7], nil)
redis.call('EXPIRE', x, KEPT)
return {'ok', 1}
