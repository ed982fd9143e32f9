#!lua flags=allow-oom
-- Gives an account's free slots to its backlog.
-- In:  2 name of the backlog
-- Out: ok, how many got one | recovering
local s = slots_of(string.sub(ARGV[2], -32), '')
local moved = promote(s)
save(s)
return {'ok', moved}
