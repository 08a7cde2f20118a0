-- One more call at a provider, or how long to wait for it. One step, by the clock of Redis: replicas need none of their own.
--
-- KEYS: 1 starts (list of times), 2 tokens by time (sorted set of tickets), 3 tokens (hash by ticket, their sum under ''),
--       4 calls in flight (hash by replica), 5 who waits (hash by replica), 6 end of a pause
-- ARGV: 1 replica, 2 its calls in flight, 3 most in flight, 4 most starts in a window, 5 the window, 6 most tokens in a
--       period, 7 the period, 8 ticket, 9 its tokens, 10 how long a replica that says nothing counts, 11 how long a waiter
--       counts after the time that it was told to wait. Times are microseconds; a most of -1 is no limit.
-- Returns {1, 0} to start, or {0, microseconds to wait}.
local function text(number) return string.format('%.0f', number) end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local replica, mine, ticket, need = ARGV[1], tonumber(ARGV[2]), ARGV[8], tonumber(ARGV[9])
local most_flying, most_starts, most_tokens = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
local window, period, lease = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[10])
local wait = 0
local function later(moment) if moment - now > wait then wait = moment - now end end

local paused = redis.call('GET', KEYS[6])
if paused then later(tonumber(paused)) end

-- Heads of other queues that came before go first, so none waits for ever: room is needed for them as well.
local since, ahead, ahead_tokens = now, 0, 0
local own = redis.call('HGET', KEYS[5], replica)
if own then
  local came, ends = own:match('^(%d+) %d+ (%d+)$')
  if tonumber(ends) > now then since = tonumber(came) end
end
local waiters = redis.call('HGETALL', KEYS[5])
for at = 1, #waiters, 2 do
  local came, tokens, ends = waiters[at + 1]:match('^(%d+) (%d+) (%d+)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[5], waiters[at])
  elseif waiters[at] ~= replica and tonumber(came) < since then
    ahead, ahead_tokens = ahead + 1, ahead_tokens + tonumber(tokens)
  end
end

if most_flying >= 0 then
  local flying = mine
  local others = redis.call('HGETALL', KEYS[4])
  for at = 1, #others, 2 do
    local count, ends = others[at + 1]:match('^(%d+) (%d+)$')
    if tonumber(ends) <= now then
      redis.call('HDEL', KEYS[4], others[at])
    elseif others[at] ~= replica then
      flying = flying + tonumber(count)
    end
  end
  if flying + ahead + 1 > most_flying then later(now + 20000) end -- nobody knows when a call ends, so look again
end

if most_starts >= 0 then
  local at = most_starts - 1 - ahead
  local before = redis.call('LINDEX', KEYS[1], math.max(0, at))
  if at < 0 then
    later(now + window)
  elseif before then
    later(tonumber(before) + window)
  end
end

if most_tokens >= 0 then
  local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now - period))
  for _, gone in ipairs(old) do
    redis.call('HINCRBY', KEYS[3], '', text(0 - (redis.call('HGET', KEYS[3], gone) or 0)))
    redis.call('HDEL', KEYS[3], gone)
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - period))
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  -- A call that alone needs more than the limit starts when nothing else counts.
  if #oldest > 0 or ahead > 0 then
    local sum = tonumber(redis.call('HGET', KEYS[3], '') or '0')
    if sum + ahead_tokens + need > most_tokens then
      later(#oldest > 0 and tonumber(oldest[2]) + period or now + 50000)
    end
  end
end

if wait > 0 then
  local ends = now + math.min(wait, 1000000) + tonumber(ARGV[11])
  redis.call('HSET', KEYS[5], replica, text(since) .. ' ' .. text(need) .. ' ' .. text(ends))
  redis.call('PEXPIRE', KEYS[5], 60000)
  redis.call('HSET', KEYS[4], replica, text(mine) .. ' ' .. text(now + lease))
  redis.call('PEXPIRE', KEYS[4], 600000)
  return {0, wait}
end

redis.call('HDEL', KEYS[5], replica)
redis.call('HSET', KEYS[4], replica, text(mine + 1) .. ' ' .. text(now + lease))
redis.call('PEXPIRE', KEYS[4], 600000)
if most_starts >= 0 then
  redis.call('LPUSH', KEYS[1], text(now))
  redis.call('LTRIM', KEYS[1], 0, most_starts - 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
end
if most_tokens >= 0 then
  redis.call('ZADD', KEYS[2], text(now), ticket)
  redis.call('HSET', KEYS[3], ticket, text(need))
  redis.call('HINCRBY', KEYS[3], '', text(need))
  local kept = math.ceil(period / 1000) + 60000
  redis.call('PEXPIRE', KEYS[2], kept)
  redis.call('PEXPIRE', KEYS[3], kept)
end
return {1, 0}
