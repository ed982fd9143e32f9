-- Gives free slots to the oldest of the account's backlog that fit, looking at
-- no more than AT_ONCE. Those whose function or lane is full are passed over.
-- Whatever frees a slot calls this, so a free slot and an entry that fits it are
-- never there together among the first AT_ONCE.
local function promote(s)
  local back = p .. 'back:' .. s.acct
  local ids = redis.call('ZRANGE', back, 0, AT_ONCE - 1)
  local moved = 0
  for _, id in ipairs(ids) do
    local x = p .. 'x:' .. id
    local v = redis.call('HMGET', x, 'st', 'lane', 'fn', 'cap', 'lost')
    if v[1] ~= 'b' then
      redis.call('ZREM', back, id)
    else
      local N, B, bound = string.match(v[4], '^(%d+) (%d+) (%d+)$')
      s.N, s.B = s.N or tonumber(N), s.B or tonumber(B)
      if s.n >= s.N then
        break
      end
      if fits(s, v[2], v[3], tonumber(bound)) then
        local entry = enqueue(id, v[2], tonumber(v[5] or 0), redis.call('HGET', x, 'body'))
        redis.call('ZREM', back, id)
        redis.call('HDEL', x, 'body')
        redis.call('HSET', x, 'st', 'w', 'e', entry)
        change(s, v[2], v[3], 1)
        moved = moved + 1
      end
    end
  end
  return moved
end

-- Gives an execution without a slot one, or else a place in the backlog. `s` is
-- its account's; the caller saves it.
local function place(s, id, x, lane, fn, cap, lost, body)
  local N, B, bound = string.match(cap, '^(%d+) (%d+) (%d+)$')
  s.N, s.B = s.N or tonumber(N), s.B or tonumber(B)
  if fits(s, lane, fn, tonumber(bound)) then
    local entry = enqueue(id, lane, lost, body)
    redis.call('HSET', x, 'st', 'w', 'e', entry)
    redis.call('HDEL', x, 'body', 'due')
    change(s, lane, fn, 1)
  else
    redis.call('HSET', x, 'st', 'b', 'body', body)
    redis.call('HDEL', x, 'e', 'due')
    redis.call('ZADD', p .. 'back:' .. s.acct, redis.call('INCR', p .. 'seq'), id)
  end
end
