-- All limits of one request, decided together: each admits it, or nothing is charged.
--
-- A window is a list of the times (microseconds, server time) of the requests it admitted,
-- oldest first. A request at time t is within a limit of N in W when fewer than N lie in (t-W, t].
--
-- KEYS: one list a limit.  ARGV: for each limit: N, W in microseconds, cost, 1 when it only reports.
-- Returns {admitted, microseconds to wait, which limit refused (from 1), then for each limit:
-- how many it holds, microseconds until one leaves, 1 when it is over}.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local admitted, wait, refused = 1, 0, 0
local lengths, overs = {}, {}

-- The clock was set back: times that lie ahead are taken as now, else they would never leave.
local function heal(key)
  local ahead = 0
  while true do
    local newest = redis.call('LINDEX', key, -1)
    if not newest or tonumber(newest) <= now then break end
    redis.call('RPOP', key)
    ahead = ahead + 1
  end
  for _ = 1, ahead do redis.call('RPUSH', key, string.format('%.0f', now)) end
end

-- Remove what has left the window; the list is sorted, so the border is found by halving.
local function trim(key, border)
  local oldest = redis.call('LINDEX', key, 0)
  if not oldest or tonumber(oldest) > border then return redis.call('LLEN', key) end
  local low, high = 1, redis.call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) > border then high = middle else low = middle + 1 end
  end
  redis.call('LTRIM', key, low, -1)
  return redis.call('LLEN', key)
end

for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local cost, shadow = tonumber(ARGV[4 * i - 1]), ARGV[4 * i] == '1'
  heal(key)
  local length = trim(key, now - window)
  lengths[i], overs[i] = length, 0
  local excess = length + cost - limit
  if excess > 0 then
    overs[i] = 1
    if not shadow then
      local leaves = window
      if excess <= length then
        leaves = tonumber(redis.call('LINDEX', key, excess - 1)) + window - now
      end
      admitted = 0
      if leaves > wait or refused == 0 then wait, refused = leaves, i end
    end
  end
end

if admitted == 1 then
  for i, key in ipairs(KEYS) do
    if overs[i] == 0 then
      local cost = tonumber(ARGV[4 * i - 1])
      for _ = 1, cost do redis.call('RPUSH', key, string.format('%.0f', now)) end
      lengths[i] = lengths[i] + cost
      redis.call('PEXPIRE', key, math.ceil(tonumber(ARGV[4 * i - 2]) / 1000) + 1000)
    end
  end
end

local answer = {admitted, wait, refused}
for i, key in ipairs(KEYS) do
  local oldest = redis.call('LINDEX', key, 0)
  local reset = 0
  if oldest then reset = math.max(0, tonumber(oldest) + tonumber(ARGV[4 * i - 2]) - now) end
  table.insert(answer, lengths[i])
  table.insert(answer, reset)
  table.insert(answer, overs[i])
end
return answer
