#!lua flags=allow-oom
-- Removes counters that are about to be set anew.
-- In:  2… their names
-- Out: ok | recovering
for at = 2, #ARGV do
  redis.call('DEL', ARGV[at])
end
return {'ok'}
