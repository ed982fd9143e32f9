#!lua flags=allow-oom
-- Which of some executions are open, and what they hold. Changes nothing.
-- In:  2… names of hashes
-- Out: ok, {id, account, namespace, function, version, lane, 1 if it holds a
--      slot, bytes of its body}… | recovering
local found = {'ok'}
for at = 2, #ARGV do
  local x = ARGV[at]
  local v = redis.call('HMGET', x, 'st', 'acct', 'ns', 'fn', 'ver', 'lane', 'e', 'lost')
  if v[1] and v[1] ~= 'f' then
    local bytes = 0
    if v[1] == 'w' then
      local q = p .. 'q:' .. stream_of(v[6], tonumber(v[8] or 0))
      local entry = redis.call('XRANGE', q, v[7], v[7])[1]
      for field = 1, entry and #entry[2] or 0, 2 do
        if entry[2][field] == 'd' then
          bytes = #entry[2][field + 1]
        end
      end
    else
      bytes = redis.call('HSTRLEN', x, 'body')
    end
    found[#found + 1] = {string.sub(x, -32), v[2], v[3], v[4], v[5], v[6],
      v[1] == 'w' and 1 or 0, bytes}
  end
end
return found
