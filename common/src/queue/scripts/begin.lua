#!lua flags=allow-oom
-- Closes the partition: from here on only what names this generation goes on.
-- In:  1 the new generation, 2 the leader's term
-- Out: begun | outranked (another leader) | stale (this generation is not new)
local generation, term = tonumber(ARGV[1]), tonumber(ARGV[2])
if tonumber(redis.call('GET', p .. 'term') or 0) > term then
  return {'outranked'}
end
local certified = string.match(redis.call('GET', KEYS[1]) or '0', '^%d+')
local begun = redis.call('GET', p .. 'recovering') or 0
if generation <= tonumber(certified) or generation <= tonumber(begun) then
  return {'stale'}
end
redis.call('DEL', KEYS[1])
redis.call('SET', p .. 'recovering', ARGV[1])
redis.call('SET', p .. 'term', ARGV[2])
return {'begun'}
