#!lua flags=allow-oom
-- Gives a lease back: a new entry, the slot kept, this start not counted as a
-- loss, earlier ones carried on in the hash.
-- In:  2 stream, 3 entry, 4 consumer, 5 count, 6 id, 7 body
-- Out: done | fenced | asked | recovering
local stream, entry, count, id = ARGV[2], ARGV[3], ARGV[5], ARGV[6]
local x, q = p .. 'x:' .. id, p .. 'q:' .. stream
local v = redis.call('HMGET', x, 'st', 'e', 'lane', 'lost', 'cx')
if v[1] ~= 'w' or v[2] ~= entry or not holds(stream, entry, ARGV[4], count) then
  return {'fenced'}
end
if v[5] then
  return {'asked'}
end
local lost = tonumber(v[4] or 0) + tonumber(count) - 1
redis.call('XACK', q, 'w', entry)
redis.call('XDEL', q, entry)
local set = {'HSET', x, 'e', enqueue(id, v[3], lost, ARGV[7])}
if lost > 0 then
  set[5], set[6] = 'lost', lost
end
redis.call(unpack(set))
return {'done'}
