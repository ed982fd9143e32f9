#!lua flags=allow-oom
-- Moves delayed executions that are due to their streams, or to the backlog
-- where no slot is free.
-- In:  2 the leader's term, 3 how many
-- Out: moved count | outranked | recovering
if tonumber(redis.call('GET', p .. 'term') or 0) > tonumber(ARGV[2]) then
  return {'outranked'}
end
redis.call('SET', p .. 'term', ARGV[2])
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local ids = redis.call('ZRANGEBYSCORE', p .. 'delay', '-inf', now, 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  local x = p .. 'x:' .. id
  local v = redis.call('HMGET', x, 'st', 'lane', 'acct', 'fn', 'cap', 'lost', 'body')
  redis.call('ZREM', p .. 'delay', id)
  if v[1] == 'd' then
    local s = slots_of(v[3], v[4])
    place(s, id, x, v[2], v[4], v[5], tonumber(v[6] or 0), v[7])
    save(s)
  end
end
return {'moved', #ids}
