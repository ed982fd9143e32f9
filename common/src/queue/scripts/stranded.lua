#!lua flags=allow-oom
-- Entries that were delivered but are pending for nobody: no read and no reclaim
-- would ever give them out. They become reclaimable at once, as after one loss.
-- In:  2 stream, 3 entry to begin after or '-', 4 how many to look at
-- Out: ok, how many were stranded, entry to go on after or '' | recovering
local q = p .. 'q:' .. ARGV[2]
local last = '0-0'
for _, group in ipairs(redis.call('XINFO', 'GROUPS', q)) do
  local g = {}
  for at = 1, #group, 2 do
    g[group[at]] = group[at + 1]
  end
  if g.name == 'w' then
    last = g['last-delivered-id']
  end
end
local from = ARGV[3] == '-' and '-' or '(' .. ARGV[3]
local entries = redis.call('XRANGE', q, from, last, 'COUNT', ARGV[4])
local found = 0
for _, entry in ipairs(entries) do
  local id = entry[1]
  if not redis.call('XPENDING', q, 'w', id, id, 1)[1] then
    redis.call('XCLAIM', q, 'w', 'recovered', 0, id, 'IDLE', LEASE, 'RETRYCOUNT', 1,
      'FORCE', 'JUSTID')
    found = found + 1
  end
end
local more = #entries == tonumber(ARGV[4]) and entries[#entries][1] or ''
return {'ok', found, more}
