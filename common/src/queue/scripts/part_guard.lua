-- Nothing happens unless the partition's certificate is the one that the caller's
-- connection was greeted with.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'recovering'}
end
