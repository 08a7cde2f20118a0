-- What a replica says of its calls at a provider: how many are in flight, what those that ended used, a pause asked for.
--
-- KEYS: as in provider.lua.
-- ARGV: 1 replica, 2 its calls in flight, 3 how long a replica that says nothing counts, 4 whether it has a waiter (1 or 0),
--       5 a pause from now, 0 for none, then a ticket and its tokens in turn. Times are microseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[4], ARGV[1])
else
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[3]))
  redis.call('PEXPIRE', KEYS[4], 600000)
end
if ARGV[4] == '0' then redis.call('HDEL', KEYS[5], ARGV[1]) end
local pause = tonumber(ARGV[5])
if pause > 0 then
  local before = tonumber(redis.call('GET', KEYS[6]) or '0')
  if now + pause > before then
    redis.call('SET', KEYS[6], string.format('%.0f', now + pause), 'PX', math.ceil(pause / 1000))
  end
end
for at = 6, #ARGV, 2 do
  local counted = redis.call('HGET', KEYS[3], ARGV[at])
  if counted then -- else its period is over
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
    redis.call('HINCRBY', KEYS[3], '', string.format('%.0f', ARGV[at + 1] - counted))
  end
end
