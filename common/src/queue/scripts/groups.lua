#!lua flags=allow-oom
-- Makes streams and groups where missing, from 0: a group made from '$' would
-- miss entries that are there already.
-- Out: ok | recovering
for _, stream in ipairs({'i', 'b', 'l'}) do
  local made = redis.pcall('XGROUP', 'CREATE', p .. 'q:' .. stream, 'w', '0', 'MKSTREAM')
  if made.err and not string.find(made.err, 'BUSYGROUP') then
    return made
  end
end
return {'ok'}
