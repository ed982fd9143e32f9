#!lua flags=allow-oom
-- Brings Redis what open rows know, and mends what half a script left behind.
-- In:  18 for each row: id, account, namespace, function, version, lane, (quota),
--      slots, of them background, the function's or 0, (backlog bound), tries so
--      far, tries allowed, losses, due in ms or -1, 1 if a cancel is asked for,
--      key's hash and digest or '', body
-- Out: ok, for each: enqueued | present | ended | cancel (not leased: record it
--      as cancelled, then conclude it) | recovering
local reply = {'ok'}

local function absent(id, x, at)
  if ARGV[at + 15] == '1' then
    return 'cancel'
  end
  local acct, fn, lane, body = ARGV[at + 1], ARGV[at + 3], ARGV[at + 5], ARGV[at + 17]
  local cap = ARGV[at + 7] .. ' ' .. ARGV[at + 8] .. ' ' .. ARGV[at + 9]
  local due = ARGV[at + 14]
  redis.call('HSET', x, 'lane', lane, 'acct', acct, 'ns', ARGV[at + 2], 'fn', fn,
    'ver', ARGV[at + 4], 'cap', cap, 'try', ARGV[at + 11], 'mx', ARGV[at + 12],
    'lost', ARGV[at + 13])
  if ARGV[at + 16] ~= '' then
    redis.call('HSET', x, 'key', ARGV[at + 16])
  end
  redis.call('INCRBY', p .. 'bytes', #body)
  if tonumber(due) >= 0 then
    redis.call('HSET', x, 'st', 'd', 'due', due, 'body', body)
    redis.call('ZADD', p .. 'delay', due, id)
    return 'enqueued'
  end
  local s = slots_of(acct, fn)
  place(s, id, x, lane, fn, cap, tonumber(ARGV[at + 13]), body)
  save(s)
  return 'enqueued'
end

local function present(id, x, v, at)
  local asked = ARGV[at + 15] == '1'
  if v[1] == 'w' then
    local q = p .. 'q:' .. stream_of(v[3], tonumber(v[4] or 0))
    if not redis.call('XRANGE', q, v[2], v[2])[1] then
      local entry = enqueue(id, v[3], tonumber(v[4] or 0), ARGV[at + 17])
      redis.call('HSET', x, 'e', entry)
    elseif asked and redis.call('XPENDING', q, 'w', v[2], v[2], 1)[1] then
      redis.call('HSET', x, 'cx', 1)
      return 'present'
    end
  elseif v[1] == 'b' then
    local back = p .. 'back:' .. v[5]
    if not redis.call('ZSCORE', back, id) then
      redis.call('ZADD', back, redis.call('INCR', p .. 'seq'), id)
    end
  else
    redis.call('ZADD', p .. 'delay', v[6] or 0, id)
  end
  return asked and 'cancel' or 'present'
end

for at = 2, #ARGV, 18 do
  local id = ARGV[at]
  local x = p .. 'x:' .. id
  local v = redis.call('HMGET', x, 'st', 'e', 'lane', 'lost', 'acct', 'due')
  local became = 'ended'
  if not v[1] then
    became = absent(id, x, at)
  elseif v[1] ~= 'f' then
    became = present(id, x, v, at)
  end
  reply[#reply + 1] = became
end
return reply
