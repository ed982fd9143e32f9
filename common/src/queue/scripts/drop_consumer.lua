#!lua flags=allow-oom
-- Removes a consumer, unless it has leases: those would stay in the stream,
-- pending for nobody, and never be seen again.
-- In:  2 consumer
-- Out: done | busy | recovering
for _, stream in ipairs({'i', 'b', 'l'}) do
  if redis.call('XPENDING', p .. 'q:' .. stream, 'w', '-', '+', 1, ARGV[2])[1] then
    return {'busy'}
  end
end
for _, stream in ipairs({'i', 'b', 'l'}) do
  redis.call('XGROUP', 'DELCONSUMER', p .. 'q:' .. stream, 'w', ARGV[2])
end
return {'done'}
