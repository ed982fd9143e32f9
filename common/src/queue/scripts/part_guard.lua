-- Every name begins like the partition's certificate; nothing happens unless the
-- certificate is the one that the caller's connection was greeted with.
local p = string.sub(KEYS[1], 1, -4)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'recovering'}
end
