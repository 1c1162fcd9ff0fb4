-- commit: writes one decided transition of one value, or nothing. It knows no rule of the domain.
--
-- KEYS[1] the value (HASH)  KEYS[2] the events (STREAM)  KEYS[3] the note (STRING)
-- KEYS[4 .. 3+n] the indexes (ZSET)    KEYS[4+n ..] the values it depends on (HASH)
-- ARGV[1] the version it was decided on; 0 when the value must not exist
-- ARGV[2] the time it was decided at, as observed here, in ms    ARGV[3] how old that may be, in ms
-- ARGV[4] n    ARGV[5] the value's name in the indexes    ARGV[6] the encoded change; '' for none
-- ARGV[7] what to note; '' for no note    ARGV[8] how long to note it, in ms
-- ARGV[9] 'replace' to forget the value's other fields
-- ARGV[10 .. 9+n] the score in each index; '' to leave it
-- ARGV[10+n ..] the version of each value it depends on (0: it must not exist), then pairs of field and content
--
-- Returns { word, this server's time in ms, detail }. All checks come before the first write,
-- because a script that fails half way keeps what it has written.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HGET', KEYS[1], 'version') or '0'
if found ~= ARGV[1] then
  return { 'conflict', now, found }
end
local observed = tonumber(ARGV[2])
if observed > now or now - observed > tonumber(ARGV[3]) then
  return { 'untimely', now, '' }
end
if ARGV[7] ~= '' then
  local noted = redis.call('GET', KEYS[3])
  if noted then
    return { 'noted', now, noted }
  end
end
local indexes = tonumber(ARGV[4])
local depends = #KEYS - 3 - indexes
for i = 1, depends do
  local version = redis.call('HGET', KEYS[3 + indexes + i], 'version') or '0'
  if version ~= ARGV[9 + indexes + i] then
    return { 'dependency', now, KEYS[3 + indexes + i] }
  end
end

if ARGV[9] == 'replace' then
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 10 + indexes + depends))
for i = 1, indexes do
  local score = ARGV[9 + i]
  if score == '' then
    redis.call('ZREM', KEYS[3 + i], ARGV[5])
  else
    redis.call('ZADD', KEYS[3 + i], score, ARGV[5])
  end
end
if ARGV[7] ~= '' then
  redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[8])
end
if ARGV[6] ~= '' then
  redis.call('XADD', KEYS[2], '*', 'change', ARGV[6])
end
return { 'written', now, '' }
