-- The end of an execution that is out of every queue: outcome, event, wakes. What was
-- told of it while it ran goes: the outcome has all of it.
-- `waiting` is the hash's list of apis. Gives the event's id. With no body there
-- is no event: PostgreSQL knows already.
local function finally(id, x, state, outcome, token, waiting, body)
  local event = ''
  if body then
    event = redis.call('XADD', p .. 'ev', '*', 'k', 'f', 'x', id, 'd', body)
  end
  redis.call('HSET', x, 'st', 'f', 'o', state, 'out', outcome, 'tok', token, 'ev', event)
  redis.call('DEL', p .. 'log:' .. id)
  if waiting then
    local channel = string.match(p, '^(.-){') .. 'api:'
    for api in string.gmatch(waiting, '%S+') do
      redis.call('PUBLISH', channel .. api, id .. outcome)
    end
  end
  return event
end
