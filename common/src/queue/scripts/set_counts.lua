#!lua flags=allow-oom
-- Sets counters to what was counted.
-- In:  5 for each: quota|slots|bytes, name, field, value, when to drop it (s)
-- Out: ok | recovering
for at = 2, #ARGV, 5 do
  local kind, name, value = ARGV[at], ARGV[at + 1], ARGV[at + 3]
  if kind == 'quota' then
    redis.call('SET', p .. 'quota:' .. name, value)
    redis.call('EXPIREAT', p .. 'quota:' .. name, ARGV[at + 4])
  elseif kind == 'slots' then
    redis.call('HSET', p .. 'conc:' .. name, ARGV[at + 2], value)
  else
    redis.call('SET', p .. 'bytes', value)
  end
end
return {'ok'}
