-- For steps of a recovery: the caller's generation must be the one under
-- construction, or another leader took over.
local p = string.sub(KEYS[1], 1, -4)
if redis.call('GET', p .. 'recovering') ~= ARGV[1] then
  return {'recovering'}
end
