-- For what goes on during a recovery: the caller names either the certificate or
-- the generation under construction.
if redis.call('GET', KEYS[1]) ~= ARGV[1]
    and redis.call('GET', p .. 'recovering') ~= ARGV[1] then
  return {'recovering'}
end
