-- Whether the lease is the one the token names: same owner, same delivery count.
local function holds(stream, entry, consumer, count)
  local pending = redis.call('XPENDING', p .. 'q:' .. stream, 'w', entry, entry, 1)[1]
  return pending and pending[2] == consumer and pending[4] == tonumber(count)
end
