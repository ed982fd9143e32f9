#!lua flags=allow-oom
-- Removes what Redis holds of an execution whose row is final and erased, its
-- event too: PostgreSQL needs none any more, and the event carries the input.
-- In:  2 id, 3 account
-- Out: ok, whether something was removed | recovering
local x = p .. 'x:' .. ARGV[2]
local v = redis.call('HMGET', x, 'st', 'acct', 'ev')
if v[1] ~= 'f' or v[2] ~= ARGV[3] then
  return {'ok', 0}
end
if v[3] and v[3] ~= '' then
  redis.call('XDEL', p .. 'ev', v[3])
end
redis.call('DEL', x)
return {'ok', 1}
