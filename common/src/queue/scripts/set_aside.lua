#!lua flags=allow-oom
-- Copies an entry that can't be understood to {p}:damaged. With an id the lease
-- stays and its holder finishes it; without one the entry leaves its stream.
-- In:  2 stream, 3 entry, 4 consumer, 5 count, 6 id or ''
-- Out: done | fenced | recovering
local stream, entry = ARGV[2], ARGV[3]
local q = p .. 'q:' .. stream
if not holds(stream, entry, ARGV[4], ARGV[5]) then
  return {'fenced'}
end
local found = redis.call('XRANGE', q, entry, entry)[1]
local add = {'XADD', p .. 'damaged', 'MAXLEN', '~', DAMAGED, '*', 'from', stream, 'entry', entry}
for _, word in ipairs(found and found[2] or {}) do
  add[#add + 1] = word
end
redis.call(unpack(add))
redis.call('EXPIRE', p .. 'damaged', DAMAGED_KEPT)
if ARGV[6] == '' then
  redis.call('XACK', q, 'w', entry)
  redis.call('XDEL', q, entry)
end
return {'done'}
