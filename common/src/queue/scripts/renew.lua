#!lua flags=allow-oom
-- Renews leases, each only if its whole token still holds: a bare XCLAIM would
-- take an entry back from whoever reclaimed it. JUSTID leaves the count alone.
-- In:  5 for each lease: id, stream, entry, consumer, count
-- Out: ok, {lost ids}, {ids to cancel} | recovering
local lost, cancelled = {}, {}
for at = 2, #ARGV, 5 do
  local id, stream, entry, consumer = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local v = redis.call('HMGET', p .. 'x:' .. id, 'e', 'st', 'cx')
  if v[1] == entry and v[2] == 'w' and holds(stream, entry, consumer, ARGV[at + 4]) then
    redis.call('XCLAIM', p .. 'q:' .. stream, 'w', consumer, 0, entry, 'JUSTID')
    if v[3] then
      cancelled[#cancelled + 1] = id
    end
  else
    lost[#lost + 1] = id
  end
end
return {'ok', lost, cancelled}
