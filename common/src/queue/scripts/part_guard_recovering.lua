-- For steps of a recovery: the caller's generation must be the one under
-- construction, or another leader took over.
if redis.call('GET', p .. 'recovering') ~= ARGV[1] then
  return {'recovering'}
end
