#!lua flags=allow-oom
-- Removes events that are recorded. Only now does an outcome begin to expire: as
-- long as PostgreSQL lacks it, Redis keeps it.
-- In:  2 1 to keep a copy in {p}:damaged instead, then event, id…
-- Out: ok, how many were there | recovering
local gone = {}
for at = 3, #ARGV, 2 do
  local event = ARGV[at]
  if ARGV[2] == '1' then
    local found = redis.call('XRANGE', p .. 'ev', event, event)[1]
    if found then
      redis.call('XADD', p .. 'damaged', 'MAXLEN', '~', DAMAGED, '*', 'from', 'ev',
        'entry', event, unpack(found[2]))
      redis.call('EXPIRE', p .. 'damaged', DAMAGED_KEPT)
    end
  else
    local x = p .. 'x:' .. ARGV[at + 1]
    if redis.call('HGET', x, 'ev') == event then
      redis.call('EXPIRE', x, KEPT)
    end
  end
  gone[#gone + 1] = event
end
local removed = 0
if #gone > 0 then
  removed = redis.call('XDEL', p .. 'ev', unpack(gone))
end
return {'ok', removed}
