#!lua flags=allow-oom
-- How an execution stands; the api, where one is named, is woken when it ends.
-- In:  2 id, 3 account, 4 api or ''
-- Out: final account namespace function version outcome
--      | open account namespace function version queued|running joined | unknown | recovering
local x = p .. 'x:' .. ARGV[2]
local v = redis.call('HMGET', x, 'st', 'acct', 'ns', 'fn', 'ver', 'out', 'e', 'lane', 'wait', 'lost')
if v[2] ~= ARGV[3] then
  return {'unknown'}
end
if v[1] == 'f' then
  return {'final', v[2], v[3], v[4], v[5], v[6]}
end
local state = 'queued'
if v[1] == 'w' then
  local q = p .. 'q:' .. stream_of(v[8], tonumber(v[10] or 0))
  if redis.call('XPENDING', q, 'w', v[7], v[7], 1)[1] then
    state = 'running'
  end
end
local joined = 0
if ARGV[4] ~= '' then
  local waiting, among = v[9] or '', 0
  for api in string.gmatch(waiting, '%S+') do
    among = among + 1
    if api == ARGV[4] then
      joined = 1
    end
  end
  if joined == 0 and among < WAITERS then
    redis.call('HSET', x, 'wait', waiting .. ' ' .. ARGV[4])
    joined = 1
  end
end
return {'open', v[2], v[3], v[4], v[5], state, joined}
