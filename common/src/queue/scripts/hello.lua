#!lua flags=allow-oom
-- How the partition stands. Certified means: the certificate names the very
-- incarnation of the server that answers. Changes nothing.
-- Out: certified|recovering, certificate, generation under construction, run id,
--      now in ms, eviction policy, 1 if the log is on, maxmemory.
local info = redis.call('INFO')
local function told(field)
  return string.match(info, '\n' .. field .. ':([^\r]*)') or ''
end
local run_id = told('run_id')
local stamp = redis.call('GET', KEYS[1]) or ''
local named = string.match(stamp, '^%d+ (%S+) %d+$')
local time = redis.call('TIME')
return {
  (named == run_id and run_id ~= '') and 'certified' or 'recovering',
  stamp,
  redis.call('GET', p .. 'recovering') or '',
  run_id,
  string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)),
  told('maxmemory_policy'),
  told('aof_enabled'),
  told('maxmemory'),
}
