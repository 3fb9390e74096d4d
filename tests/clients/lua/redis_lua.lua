-- redis-lua. Called with host, port and password.
local redis = require "redis"

local host, port, password = arg[1], tonumber(arg[2]), arg[3]

-- A value as text that two equal values share, whatever the order of a table's keys.
local function show(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local parts = {}
    for key, element in pairs(value) do
        parts[#parts + 1] = ("[%s] = %s"):format(show(key), show(element))
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ", ") .. "}"
end

-- Ends the script unless both are the same.
local function equal(got, wanted, what)
    if show(got) ~= show(wanted) then
        error(("%s: got %s, wanted %s"):format(what, show(got), show(wanted)), 2)
    end
end

-- Ends the script unless the function fails with an error that holds this text.
local function fails(action, message, what)
    local worked, raised = pcall(action)
    if worked or not tostring(raised):find(message, 1, true) then
        error(("%s: got %s, wanted the error %s"):format(what, tostring(raised), message), 2)
    end
end

local function sorted(list)
    table.sort(list)
    return list
end

local function connect(secret)
    local client = redis.connect(host, port, 10)
    client:auth(secret)
    return client
end

fails(function() connect("wrong") end, "WRONGPASS", "a wrong password")
local client = connect(password)
client:flushall()
local every_byte = ""
for byte = 0, 255 do
    every_byte = every_byte .. string.char(byte)
end

-- Hashes.
equal(client:hmset("h", { name = "ann", age = 7 }), true, "HMSET")
equal({ client:hset("h", "city", "Ulm"), client:hset("h", "age", 8) }, { true, false }, "HSET")
equal(client:hgetall("h"), { name = "ann", age = "8", city = "Ulm" }, "HGETALL")
equal(client:hmget("h", "name", "city"), { "ann", "Ulm" }, "HMGET")
equal(client:hget("h", "nosuch"), nil, "HGET of a missing field")
equal({ client:hincrby("h", "age", -3), client:hincrbyfloat("h", "age", 0.5) }, { 5, 5.5 }, "HINCRBY and HINCRBYFLOAT")
equal({ client:hexists("h", "name"), client:hsetnx("h", "name", "bob"), client:hlen("h") }, { true, false, 3 }, "fields")
equal({ client:hdel("h", "name", "age"), client:hkeys("h"), client:hvals("h") }, { 2, { "city" }, { "Ulm" } }, "HDEL")

-- Lists.
equal({ client:rpush("l", "b", "c"), client:lpush("l", "a"), client:lpushx("nosuch", "a") }, { 2, 3, 0 }, "pushes")
equal({ client:lrange("l", 0, -1), client:lindex("l", -1) }, { { "a", "b", "c" }, "c" }, "LRANGE and LINDEX")
equal({ client:linsert("l", "BEFORE", "b", "x"), client:lset("l", 0, "y"), client:lpos("l", "b") }, { 4, true, 2 }, "LINSERT and LSET")
equal({ client:lrem("l", 1, "x"), client:ltrim("l", 0, 1), client:llen("l") }, { 1, true, 2 }, "LREM and LTRIM")
equal({ client:rpoplpush("l", "m"), client:lpop("l"), client:lpop("l") }, { "b", "y", nil }, "pops")

-- Sets.
equal({ client:sadd("s", "a", "b", "c", "a"), client:sadd("t", "c", "d") }, { 3, 2 }, "SADD")
equal({ sorted(client:smembers("s")), client:sismember("s", "x") }, { { "a", "b", "c" }, false }, "members")
equal({ sorted(client:sunion("s", "t")), client:sinter("s", "t") }, { { "a", "b", "c", "d" }, { "c" } }, "SUNION and SINTER")
equal({ client:sdiffstore("u", "s", "t"), client:smove("t", "u", "d"), client:smove("t", "u", "d") }, { 2, true, false }, "SDIFFSTORE and SMOVE")
equal({ client:srem("s", "a", "x"), client:scard("s"), client:spop("t"), client:spop("t") }, { 1, 2, "c", nil }, "SREM and SPOP")

-- Sorted sets.
equal({ client:zadd("z", 1, "a", 2.5, "b", "-inf", "c"), client:zincrby("z", 0.5, "b") }, { 3, 3 }, "ZADD and ZINCRBY")
equal(client:zrange("z", 0, -1, { withscores = true }), { { "c", "-inf" }, { "a", "1" }, { "b", "3" } }, "ZRANGE")
equal(client:zrevrangebyscore("z", "+inf", "-inf", { limit = { 1, 1 } }), { "a" }, "ZREVRANGEBYSCORE")
equal({ client:zrank("z", "b"), client:zscore("z", "b"), client:zcount("z", "(1", "+inf") }, { 2, "3", 1 }, "ranks and scores")
equal(client:zunionstore("sum", 2, "z", "z", { weights = { 1, 2 }, aggregate = "max" }), 3, "ZUNIONSTORE")
equal({ client:zremrangebyscore("sum", 2, 2), client:zrem("sum", "x", "c"), client:zcard("sum") }, { 1, 1, 1 }, "removals")

-- Bits, and sorting.
equal({ client:setbit("bits", 9, 1), client:getbit("bits", 9), client:bitop("NOT", "not", "bits") }, { 0, 1, 2 }, "bits")
equal(client:bitcount("not"), 15, "BITCOUNT")
client:rpush("ids", 3, 1, 2)
equal(client:sort("ids", { sort = "desc", limit = { 0, 2 } }), { "3", "2" }, "SORT")

-- Binary members, and large collections through the scan commands.
client:hset(every_byte, every_byte, every_byte)
client:sadd("binary", every_byte, "", "\r\n")
equal(client:hgetall(every_byte), { [every_byte] = every_byte }, "binary fields")
equal(sorted(client:smembers("binary")), sorted { every_byte, "", "\r\n" }, "binary members")
local large, count = {}, 2000
client:pipeline(function(pipe)
    for number = 1, count do
        large["element " .. number] = tostring(number)
        pipe:sadd("large set", "element " .. number)
        pipe:zadd("large zset", number, "element " .. number)
    end
end)
client:hmset("large hash", large)
for command, key in pairs { hscan = "large hash", sscan = "large set", zscan = "large zset" } do
    local seen, cursor = {}, "0"
    repeat
        local reply = client[command](client, key, cursor, { count = 100 })
        cursor = reply[1]
        for field, element in pairs(reply[2]) do
            if command == "hscan" then
                seen[field] = element
            elseif command == "sscan" then
                seen[element] = large[element]
            else
                seen[element[1]] = tostring(element[2])
            end
        end
    until cursor == "0"
    equal(seen, large, command)
end

-- Pipelines, and transactions in the library's own way.
local replies, number_of_replies = client:pipeline(function(pipe)
    pipe:set("a", 1)
    pipe:incr("a")
    pipe:hgetall("h")
end)
equal({ replies, number_of_replies }, { { true, 2, { city = "Ulm" } }, 3 }, "a pipeline")
replies = client:transaction(function(transaction)
    transaction:set("a", 1)
    transaction:incrby("a", 41)
    transaction:sismember("s", "b")
    transaction:hgetall("h")
end)
equal(replies, { true, 42, true, { city = "Ulm" } }, "a transaction")
fails(function()
    client:transaction(function(transaction)
        transaction:set("a", "lost")
        error("changed my mind")
    end)
end, "changed my mind", "a transaction that was given up")
equal(client:get("a"), "42", "what it has not changed")

-- With check and set: what was read holds until the transaction, or it is tried again.
local other, tries = connect(password), 0
replies = client:transaction({ watch = "a", cas = true, retry = 2 }, function(transaction)
    tries = tries + 1
    local value = tonumber(transaction:get("a"))
    if tries == 1 then
        other:incr("a")
    end
    transaction:multi()
    transaction:set("a", value * 2)
end)
equal({ replies, tries, client:get("a") }, { { true }, 2, "86" }, "a transaction tried again")
client:watch("a")
client:unwatch()
other:set("a", "again")
client:multi()
client:get("a")
equal(client:exec(), { "again" }, "a transaction after UNWATCH")

-- Errors.
local wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value"
fails(function() client:lpush("a", "x") end, wrong_type, "a string where a list is wanted")
fails(function() client:sunionstore("to", "s", "a") end, wrong_type, "a string in a union")
fails(function() client:hincrby("h", "city", 1) end, "ERR hash value is not an integer", "no integer")
fails(function() client:lset("m", 9, "x") end, "ERR index out of range", "LSET past the end")
fails(function() client:zadd("z", "high", "a") end, "ERR value is not a valid float", "no score")
local types = {}
for _, key in ipairs { "a", "h", "m", "s", "z", "nosuch" } do
    types[#types + 1] = client:type(key)
end
equal(types, { "string", "hash", "list", "set", "zset", "none" }, "TYPE")
