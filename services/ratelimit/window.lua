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
local lengths, oldests, overs = {}, {}, {}

local stamp = string.format('%.0f', now)

-- The clock was set back: times that lie ahead are taken as now, else they would never leave.
local function heal(key, newest)
  local ahead = 0
  while newest and tonumber(newest) > now do
    redis.call('RPOP', key)
    ahead = ahead + 1
    newest = redis.call('LINDEX', key, -1)
  end
  for _ = 1, ahead do redis.call('RPUSH', key, stamp) end
end

-- Remove what has left the window; the list is sorted, so the border is found by halving.
-- Returns how many are left and the oldest of them.
local function trim(key, border)
  local newest = redis.call('LINDEX', key, -1)
  if not newest then return 0, nil end
  if tonumber(newest) > now then heal(key, newest) end
  local length, oldest = redis.call('LLEN', key), tonumber(redis.call('LINDEX', key, 0))
  if oldest > border then return length, oldest end
  local low, high = 1, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) > border then high = middle else low = middle + 1 end
  end
  redis.call('LTRIM', key, low, -1)
  if low == length then return 0, nil end
  return length - low, tonumber(redis.call('LINDEX', key, 0))
end

for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local cost, shadow = tonumber(ARGV[4 * i - 1]), ARGV[4 * i] == '1'
  local length, oldest = trim(key, now - window)
  lengths[i], oldests[i], overs[i] = length, oldest, 0
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
      for _ = 1, cost do redis.call('RPUSH', key, stamp) end
      lengths[i], oldests[i] = lengths[i] + cost, oldests[i] or now
      redis.call('PEXPIRE', key, math.ceil(tonumber(ARGV[4 * i - 2]) / 1000) + 1000)
    end
  end
end

local answer = {admitted, wait, refused}
for i in ipairs(KEYS) do
  local reset = 0
  if oldests[i] then reset = math.max(0, oldests[i] + tonumber(ARGV[4 * i - 2]) - now) end
  table.insert(answer, lengths[i])
  table.insert(answer, reset)
  table.insert(answer, overs[i])
end
return answer
