#!lua flags=allow-oom
-- Ends an attempt, if the token is whole: the first valid end wins and is never
-- changed. May take the next entry in the same round trip.
-- In:  2 stream, 3 entry, 4 consumer, 5 count, 6 id, 7 final state, 8 outcome,
--      9 body, 10 ms until the next try or -1, 11 stream to take the next of or ''
-- Out: done event key [entries] | already event key | delayed event [entries]
--      | asked | fenced | recovering
local stream, entry, consumer, count = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local id, state, body = ARGV[6], ARGV[7], ARGV[9]
local x, q = p .. 'x:' .. id, p .. 'q:' .. stream
local v = redis.call('HMGET', x, 'st', 'e', 'lane', 'acct', 'fn', 'cx', 'wait', 'key', 'mx')
local token = stream .. ' ' .. entry .. ' ' .. consumer .. ' ' .. count
if v[1] == 'f' then
  local was = redis.call('HMGET', x, 'tok', 'ev')
  if was[1] == token then
    return {'already', was[2], v[8] or ''}
  end
  return {'fenced'}
end
if v[1] ~= 'w' or v[2] ~= entry or not holds(stream, entry, consumer, count) then
  return {'fenced'}
end
if v[6] and state ~= 'cancelled' then
  return {'asked'}
end
local lane, acct, fn = v[3], v[4], v[5]
local delay = tonumber(ARGV[10])
local tried = 0
if delay >= 0 and v[9] then
  tried = tonumber(redis.call('HGET', x, 'try') or 0) + 1
end
local again = tried > 0 and tried < tonumber(v[9]) and state ~= 'succeeded' and state ~= 'cancelled'

-- Valid: from here on only writes.
redis.call('XACK', q, 'w', entry)
redis.call('XDEL', q, entry)
local reply
if again then
  local time = redis.call('TIME')
  local due = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + delay)
  local lost = tonumber(redis.call('HGET', x, 'lost') or 0) + tonumber(count) - 1
  redis.call('HDEL', x, 'e')
  redis.call('HSET', x, 'st', 'd', 'try', tried, 'lost', lost, 'due', due, 'body', body)
  redis.call('ZADD', p .. 'delay', due, id)
  redis.call('DEL', p .. 'log:' .. id)
  reply = {'delayed', redis.call('XADD', p .. 'ev', '*', 'k', 't', 'x', id, 'd', body,
    'try', tried, 'lost', lost, 'due', due)}
else
  redis.call('DECRBY', p .. 'bytes', #body)
  reply = {'done', finally(id, x, state, ARGV[8], token, v[7], body), v[8] or ''}
end
local s = slots_of(acct, fn)
change(s, lane, fn, -1)
promote(s)
save(s)
if ARGV[11] ~= '' then
  -- pcall: what was written above stands, so a stream that is gone is no error here.
  local read = redis.pcall('XREADGROUP', 'GROUP', 'w', consumer, 'COUNT', 1,
    'STREAMS', p .. 'q:' .. ARGV[11], '>')
  if read and not read.err then
    reply[#reply + 1] = read[1][2]
  end
end
return reply
