#!lua
-- Adds sealed text to what is told of an execution while it runs. Without flags:
-- refused when memory is full, since losing it loses nothing.
-- In:  2 stream, 3 entry, 4 consumer, 5 count, 6 id, 7 run (16 hex digits), 8 frame,
--      9 bound of all bytes, 10 ms to keep it
-- Out: ok | full | fenced | recovering
local id, run, frame = ARGV[6], ARGV[7], ARGV[8]
local x, log = p .. 'x:' .. id, p .. 'log:' .. id
local v = redis.call('HMGET', x, 'st', 'e', 'fol')
if v[1] ~= 'w' or v[2] ~= ARGV[3] or not holds(ARGV[2], ARGV[3], ARGV[4], ARGV[5]) then
  return {'fenced'}
end
local begun = redis.call('GETRANGE', log, 0, 15) == run
local held = begun and redis.call('STRLEN', log) or 16
if held + #frame > tonumber(ARGV[9]) then
  return {'full'}
end

-- Valid: from here on only writes. Another run's text is of no use to anyone.
if begun then
  redis.call('APPEND', log, frame)
else
  redis.call('SET', log, run .. frame)
end
redis.call('PEXPIRE', log, ARGV[10])
if v[3] then
  local channel = string.match(p, '^(.-){') .. 'api:'
  for api in string.gmatch(v[3], '%S+') do
    redis.call('PUBLISH', channel .. api, id)
  end
end
return {'ok'}
