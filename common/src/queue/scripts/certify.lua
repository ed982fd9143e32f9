#!lua flags=allow-oom
-- Opens the partition under the generation that was under construction.
-- In:  2 run id of the server that was recovered, 3 1 if keys may be lost
-- Out: certified | other_server | recovering
if string.match(redis.call('INFO', 'server'), '\nrun_id:([^\r]*)') ~= ARGV[2] then
  return {'other_server'}
end
local lost_at = '0'
if ARGV[3] == '1' then
  local time = redis.call('TIME')
  lost_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. lost_at)
redis.call('DEL', p .. 'recovering')
return {'certified'}
