#!lua flags=allow-oom
-- The oldest events not yet recorded. Changes nothing.
-- In:  2 least age in ms, 3 how many
-- Out: ok, {event, f, id, body, outcome, key} or {event, t, id, body, try, losses, due}…
local time = redis.call('TIME')
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2])
local found = {'ok'}
for _, event in ipairs(redis.call('XRANGE', p .. 'ev', '-',
    string.format('%.0f', math.max(until_ms, 0)), 'COUNT', ARGV[3])) do
  local f = {}
  for at = 1, #event[2], 2 do
    f[event[2][at]] = event[2][at + 1]
  end
  if f.k == 'f' then
    local v = redis.call('HMGET', p .. 'x:' .. (f.x or ''), 'out', 'key')
    found[#found + 1] = {event[1], 'f', f.x or '', f.d or '', v[1] or '', v[2] or ''}
  else
    found[#found + 1] = {event[1], f.k or '', f.x or '', f.d or '', f.try or '', f.lost or '', f.due or ''}
  end
end
return found
