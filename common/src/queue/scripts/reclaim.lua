#!lua flags=allow-oom
-- Takes over leases that ran out. What would start for the last time is left to
-- a process that is alone, and then is the only one taken; what must not start
-- again (cancelled, or too many losses) comes to anyone, with its verdict.
-- In:  2 consumer, 3 how many, 4 1 if alone, 5 entries to look at per stream
-- Out: ok, {stream, entry, count, losses, run|cancelled|worker_lost|damaged, fields}…
local consumer, room, alone, look = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local taken = {'ok'}
local started = 0

-- Out of the queue: nothing can be done with it.
local function drop(q, entry)
  redis.call('XACK', q, 'w', entry)
  redis.call('XDEL', q, entry)
end

local function consider(stream, q, entry, count)
  local found = redis.call('XRANGE', q, entry, entry)[1]
  if not found then
    return drop(q, entry)
  end
  local id, body
  for at = 1, #found[2], 2 do
    if found[2][at] == 'x' then id = found[2][at + 1] end
    if found[2][at] == 'd' then body = found[2][at + 1] end
  end
  local verdict, losses = 'damaged', count
  if id and body and #id == 32 then
    local v = redis.call('HMGET', p .. 'x:' .. id, 'e', 'st', 'cx', 'lost')
    if v[1] ~= entry or v[2] ~= 'w' then
      return drop(q, entry)
    end
    losses = tonumber(v[4] or 0) + count
    verdict = v[3] and 'cancelled' or losses >= STARTS and 'worker_lost' or 'run'
  end
  if verdict == 'run' then
    local last = losses + 1 >= STARTS
    if last ~= alone or started >= (alone and 1 or room) then
      return
    end
    started = started + 1
  end
  local claimed = redis.call('XCLAIM', q, 'w', consumer, LEASE, entry)[1]
  if claimed then
    taken[#taken + 1] = {stream, entry, count + 1, losses, verdict, claimed[2]}
  end
end

for _, stream in ipairs({'l', 'i', 'b'}) do
  local q = p .. 'q:' .. stream
  for _, pending in ipairs(redis.call('XPENDING', q, 'w', 'IDLE', LEASE, '-', '+', look)) do
    if #taken > room then
      return taken
    end
    consider(stream, q, pending[1], pending[4])
  end
end
return taken
