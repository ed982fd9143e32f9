#!lua flags=allow-oom
-- What was told of an open execution after a place; the api is woken when more is. Where
-- too many are, the one that came first gives way: it is dead, or comes back at its next read.
-- In:  2 id, 3 account, 4 api, 5 run that was read or '', 6 bytes of it that were
--      read, 7 most bytes to give
-- Out: open run bytes | closed (ended, or not this account's) | recovering
local x, log = p .. 'x:' .. ARGV[2], p .. 'log:' .. ARGV[2]
local v = redis.call('HMGET', x, 'st', 'acct', 'fol')
if v[2] ~= ARGV[3] or v[1] == 'f' then
  return {'closed'}
end
local following, among = v[3] or '', 0
local joined = false
for api in string.gmatch(following, '%S+') do
  among = among + 1
  joined = joined or api == ARGV[4]
end
if not joined then
  if among >= WAITERS then
    following = string.gsub(following, '^%s*%S+', '', 1)
  end
  redis.call('HSET', x, 'fol', following .. ' ' .. ARGV[4])
end
local run = redis.call('GETRANGE', log, 0, 15)
local from = 16
if run == ARGV[5] then
  from = from + tonumber(ARGV[6])
end
return {'open', run, redis.call('GETRANGE', log, from, from + tonumber(ARGV[7]) - 1)}
