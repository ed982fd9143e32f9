-- An account's slots: read once, changed in memory, what changed written once by save().
-- Fields of {p}:conc:<acct>: n slots in use, b of them background, N and B the
-- bounds as the account's latest accept named them, and one field per function
-- that holds slots. The hash is gone when nothing is in use.
local function slots_of(acct, fn)
  local key = p .. 'conc:' .. acct
  local v = redis.call('HMGET', key, 'n', 'b', 'N', 'B', fn)
  return {
    key = key,
    acct = acct,
    n = tonumber(v[1] or 0),
    b = tonumber(v[2] or 0),
    N = v[3] and tonumber(v[3]),
    B = v[4] and tonumber(v[4]),
    was = v,
    f = {[fn] = tonumber(v[5] or 0)},
  }
end

-- Slots that a function holds.
local function held(s, fn)
  local now = s.f[fn]
  if not now then
    now = tonumber(redis.call('HGET', s.key, fn) or 0)
    s.f[fn] = now
  end
  return now
end

-- Whether one more fits; `bound` is the function's, 0 for none.
local function fits(s, lane, fn, bound)
  return s.n < s.N
    and (lane == 'i' or s.b < s.B)
    and (bound == 0 or held(s, fn) < bound)
end

-- Takes (+1) or gives back (-1) one slot.
local function change(s, lane, fn, by)
  s.n = s.n + by
  if lane == 'b' then
    s.b = s.b + by
  end
  s.f[fn] = held(s, fn) + by
end

local function save(s)
  if s.n <= 0 then
    redis.call('DEL', s.key)
    return
  end
  local set = {'HSET', s.key, 'n', s.n}
  local function also(field, value, was)
    if value and value ~= tonumber(was or '') then
      set[#set + 1] = field
      set[#set + 1] = value
    end
  end
  also('b', s.b, s.was[2])
  also('N', s.N, s.was[3])
  also('B', s.B, s.was[4])
  for fn, now in pairs(s.f) do
    if now > 0 then
      set[#set + 1] = fn
      set[#set + 1] = now
    else
      redis.call('HDEL', s.key, fn)
    end
  end
  redis.call(unpack(set))
end
