#!lua
-- Decides whether a request becomes an execution. Without flags: refused whole
-- when memory is full. A refusal writes nothing.
-- In:  2 id, 3 account, 4 namespace, 5 function, 6 version, 7 lane, 8 attempts,
--      9 api to wake or '', 10 body, 11 period, 12 when to drop its count (s),
--      13 quota or -1, 14 slots, 15 of them background, 16 the function's or 0,
--      17 backlog bound, 18 key's hash (hex) or '', 19 key's hash and digest
--      (32 bytes each), 20 1 if PostgreSQL does not know the key, 21 bytes bound
-- Out: ok | replay id state | conflict | look_up | quota | no_slot | full | behind
--      | recovering. State '' means that Redis no longer has it.
local id, acct, fn, lane, body = ARGV[2], ARGV[3], ARGV[5], ARGV[7], ARGV[10]
local keyed = ARGV[18] ~= ''
local quota_key, bytes_key = p .. 'quota:' .. acct .. ':' .. ARGV[11], p .. 'bytes'
local idem_key = keyed and p .. 'idem:' .. acct .. ':' .. ARGV[18] or KEYS[1]
local v = redis.call('MGET', KEYS[1], quota_key, bytes_key, idem_key)
if v[1] ~= ARGV[1] then
  return {'recovering'}
end
if keyed then
  local digest = string.sub(ARGV[19], 33)
  if v[4] then
    if string.sub(v[4], 33) ~= digest then
      return {'conflict'}
    end
    local first = string.sub(v[4], 1, 32)
    local x = redis.call('HMGET', p .. 'x:' .. first, 'st', 'o')
    local state = ''
    if x[1] then
      state = x[2] or 'queued'
    end
    return {'replay', first, state}
  end
  if ARGV[20] ~= '1' then
    local lost_at = tonumber(string.match(v[1], '(%d+)$'))
    if lost_at > 0 and redis.call('TIME')[1] - lost_at / 1000 < KEY_KEPT then
      return {'look_up'}
    end
  end
end
local quota = tonumber(ARGV[13])
if quota >= 0 and tonumber(v[2] or 0) >= quota then
  return {'quota'}
end
if tonumber(v[3] or 0) + #body > tonumber(ARGV[21]) then
  return {'full'}
end
if redis.call('XLEN', p .. 'ev') >= EVENTS then
  return {'behind'}
end
local s = slots_of(acct, fn)
s.N, s.B = tonumber(ARGV[14]), tonumber(ARGV[15])
local slot = fits(s, lane, fn, tonumber(ARGV[16]))
if not slot then
  if lane == 'i' then
    return {'no_slot'}
  end
  if redis.call('ZCARD', p .. 'back:' .. acct) >= tonumber(ARGV[17]) then
    return {'full'}
  end
end

-- Accepted: from here on only writes.
if redis.call('INCR', quota_key) == 1 then
  redis.call('EXPIREAT', quota_key, ARGV[12])
end
redis.call('INCRBY', bytes_key, #body)
local x = p .. 'x:' .. id
local cap = ARGV[14] .. ' ' .. ARGV[15] .. ' ' .. ARGV[16]
local set = {'HSET', x, 'lane', lane, 'acct', acct, 'ns', ARGV[4], 'fn', fn,
  'ver', ARGV[6], 'cap', cap}
local function also(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end
if keyed then
  redis.call('SET', idem_key, id .. string.sub(ARGV[19], 33), 'EX', KEY_KEPT)
  also('key', ARGV[19])
end
if ARGV[8] ~= '1' then
  also('mx', ARGV[8])
end
if ARGV[9] ~= '' then
  also('wait', ARGV[9])
end
if slot then
  change(s, lane, fn, 1)
  also('st', 'w')
  also('e', redis.call('XADD', p .. 'q:' .. lane, '*', 'x', id, 'd', body))
else
  redis.call('ZADD', p .. 'back:' .. acct, redis.call('INCR', p .. 'seq'), id)
  also('st', 'b')
  also('body', body)
end
save(s)
redis.call(unpack(set))
return {'ok'}
