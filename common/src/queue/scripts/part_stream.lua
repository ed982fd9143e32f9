-- The stream in which an execution's next start belongs: its last start runs
-- alone, so that a poison execution takes no innocent neighbour with it.
local function stream_of(lane, lost)
  if lost + 1 >= STARTS then
    return 'l'
  end
  return lane
end

-- Puts an execution that holds a slot into its stream; gives the entry's id.
local function enqueue(id, lane, lost, body)
  return redis.call('XADD', p .. 'q:' .. stream_of(lane, lost), '*', 'x', id, 'd', body)
end
