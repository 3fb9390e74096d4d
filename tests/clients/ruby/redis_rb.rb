# redis-rb, which Rails and Sidekiq programs use. Called with host, port and password.
require "redis"

HOST, PORT, PASSWORD = ARGV

# Ends the script unless both are the same.
def equal(got, wanted, what)
  abort "#{what}: got #{got.inspect}, wanted #{wanted.inspect}" unless got == wanted
end

# Ends the script unless the server answers the block with an error that begins so.
def fails(message, what)
  got = yield
rescue Redis::CommandError => error
  equal(error.message[0, message.length], message, what)
else
  abort "#{what} worked: #{got.inspect}"
end

def connect(password = PASSWORD)
  Redis.new(host: HOST, port: PORT.to_i, password: password)
end

fails("WRONGPASS", "a wrong password") { connect("wrong").ping }
redis = connect
redis.flushall
every_byte = (0..255).map(&:chr).join.b

# Hashes.
equal redis.hset("h", "name", "ann", "age", 7), 2, "HSET"
equal redis.mapped_hmset("h", "age" => 8, "city" => "Ulm"), "OK", "HMSET"
equal redis.hgetall("h"), { "name" => "ann", "age" => "8", "city" => "Ulm" }, "HGETALL"
equal redis.hmget("h", "age", "nosuch"), ["8", nil], "HMGET"
equal redis.mapped_hmget("h", "age", "nosuch"), { "age" => "8", "nosuch" => nil }, "HMGET as a hash"
equal [redis.hincrby("h", "age", -3), redis.hincrbyfloat("h", "age", 0.5)], [5, 5.5], "HINCRBY and HINCRBYFLOAT"
equal [redis.hexists("h", "name"), redis.hsetnx("h", "name", "bob"), redis.hlen("h")], [true, false, 3], "fields"
equal redis.hrandfield("h", 9, with_values: true).to_h, redis.hgetall("h"), "HRANDFIELD"
equal [redis.hdel("h", "name", "age"), redis.hkeys("h"), redis.hvals("h")], [2, ["city"], ["Ulm"]], "HDEL"

# Lists.
equal [redis.rpush("l", %w[b c]), redis.lpush("l", "a"), redis.lpushx("nosuch", "a")], [2, 3, 0], "pushes"
equal [redis.lrange("l", 0, -1), redis.lindex("l", -1), redis.lindex("l", 9)], [%w[a b c], "c", nil], "LRANGE and LINDEX"
equal [redis.linsert("l", :before, "b", "x"), redis.lset("l", 0, "y"), redis.llen("l")], [4, "OK", 4], "LINSERT and LSET"
fails("ERR index out of range", "LSET past the end") { redis.lset("l", 9, "y") }
equal [redis.lrem("l", 1, "x"), redis.ltrim("l", 0, 1), redis.lrange("l", 0, -1)], [1, "OK", %w[y b]], "LREM and LTRIM"
equal [redis.lpop("l", 2), redis.lpop("l"), redis.rpop("l", 2)], [%w[y b], nil, nil], "pops"
redis.rpush("l", %w[1 2 3])
equal [redis.lmove("l", "m", "LEFT", "RIGHT"), redis.rpoplpush("l", "m"), redis.lrange("m", 0, -1)], ["1", "3", %w[3 1]], "moves"

# Sets.
equal [redis.sadd("s", %w[a b c]), redis.sadd?("s", "a"), redis.sadd?("t", %w[c d])], [3, false, true], "SADD"
equal [redis.smembers("s").sort, redis.scard("s"), redis.sismember("s", "a")], [%w[a b c], 3, true], "members"
equal [redis.smismember("s", "a", "x"), redis.srem?("s", "x"), redis.srem("s", %w[a x])], [[true, false], false, 1], "SMISMEMBER and SREM"
equal [redis.sunion("s", "t").sort, redis.sinter("s", "t"), redis.sdiff("s", "t")], [%w[b c d], %w[c], %w[b]], "set algebra"
equal [redis.sunionstore("u", "s", "t"), redis.sinterstore("v", "s", "t"), redis.sdiffstore("w", "s", "t")], [3, 1, 1], "STORE"
equal [redis.smove("u", "x", "d"), redis.smove("u", "x", "d"), redis.spop("x"), redis.spop("x")], [true, false, "d", nil], "SMOVE and SPOP"
equal [redis.srandmember("v"), redis.srandmember("v", -3)], ["c", %w[c c c]], "SRANDMEMBER"

# Sorted sets.
equal [redis.zadd("z", [[1, "a"], [2.5, "b"], ["-inf", "c"]]), redis.zadd("z", 9, "a", nx: true)], [3, false], "ZADD"
equal [redis.zadd("z", 4, "a", xx: true, ch: true), redis.zadd("z", 1, "a", incr: true), redis.zincrby("z", 0.5, "b")], [true, 5.0, 3.0], "ZADD"
equal redis.zrange("z", 0, -1, with_scores: true), [["c", -Float::INFINITY], ["b", 3.0], ["a", 5.0]], "ZRANGE"
equal redis.zrange("z", 5, "(-inf", by_score: true, rev: true, limit: [1, 1]), %w[b], "ZRANGE BYSCORE REV LIMIT"
equal redis.zrevrangebyscore("z", "+inf", "(3", with_scores: true), [["a", 5.0]], "ZREVRANGEBYSCORE"
equal [redis.zscore("z", "c"), redis.zmscore("z", "a", "x"), redis.zrank("z", "a"), redis.zrevrank("z", "x")], [-Float::INFINITY, [5.0, nil], 2, nil], "scores"
equal [redis.zcount("z", "(3", "+inf"), redis.zlexcount("z", "-", "+"), redis.zcard("z")], [1, 3, 3], "counts"
equal redis.zunionstore("sum", %w[z z], weights: [1, 2], aggregate: "max"), 3, "ZUNIONSTORE"
equal [redis.zpopmax("sum"), redis.zpopmin("sum", 2).length, redis.exists?("sum")], [["a", 10.0], 2, false], "pops"
equal [redis.zrem("z", "a"), redis.zrem("z", %w[a b]), redis.zremrangebyrank("z", 0, -1)], [true, 1, 1], "removals"

# Bits, and sorting.
equal [redis.setbit("bits", 9, 1), redis.getbit("bits", 9), redis.bitcount("bits"), redis.bitpos("bits", 1)], [0, 1, 1, 9], "bits"
equal [redis.bitop("NOT", "not", "bits"), redis.bitcount("not")], [2, 15], "BITOP"
redis.rpush("ids", %w[3 1 2])
redis.mset("name:1", "one", "name:3", "three")
equal redis.sort("ids", order: "DESC", limit: [0, 2], get: ["#", "name:*"]), [%w[3 three], ["2", nil]], "SORT"

# Binary members, and large collections through the scan iterators.
redis.hset(every_byte, every_byte, every_byte)
redis.sadd("binary", [every_byte, "", "\r\n"])
equal redis.hgetall(every_byte).map { |field, value| [field.b, value.b] }, [[every_byte, every_byte]], "binary fields"
equal redis.smembers("binary").map(&:b).sort, ["", "\r\n".b, every_byte].sort, "binary members"
numbers = (1..2000).to_h { |number| ["element #{number}", number.to_f] }
redis.mapped_hmset("large hash", numbers)
redis.sadd("large set", numbers.keys)
redis.zadd("large zset", numbers.map(&:reverse))
equal redis.hscan_each("large hash").to_h.transform_values(&:to_f), numbers, "HSCAN"
equal redis.sscan_each("large set", match: "*7", count: 50).to_a.uniq.sort, numbers.keys.grep(/7\z/).sort, "SSCAN"
equal redis.zscan_each("large zset").to_h, numbers, "ZSCAN"
equal redis.scan_each(match: "large*", type: "zset").to_a, ["large zset"], "SCAN TYPE"

# Pipelines, and transactions in the library's own way.
answers = redis.pipelined do |pipeline|
  pipeline.set("a", 1)
  pipeline.incr("a")
  pipeline.hgetall("nosuch")
  pipeline.zrange("nosuch", 0, -1, with_scores: true)
end
equal answers, ["OK", 2, {}, []], "a pipeline"
value = nil
answers = redis.multi do |transaction|
  transaction.set("a", 1)
  value = transaction.incrby("a", 41)
  transaction.sadd?("one", "x")
  transaction.hgetall("h")
end
equal [answers, value.value], [["OK", 42, true, { "city" => "Ulm" }], 42], "a transaction"
fails("WRONGTYPE", "an error in a transaction") do
  redis.multi do |transaction|
    transaction.set("a", "x")
    transaction.lpush("a", "y")
    transaction.append("a", "z")
  end
end
equal redis.get("a"), "xz", "what ran around the error"
begin
  redis.multi do |transaction|
    transaction.set("a", "lost")
    raise IndexError, "changed my mind"
  end
rescue IndexError
  equal redis.get("a"), "xz", "what a transaction that was given up has changed"
end
other = connect
attempt = lambda do |meanwhile|
  redis.watch("a") do
    meanwhile.call
    redis.multi { |transaction| transaction.append("a", "!") }
  end
end
equal attempt.call(-> { other.set("a", "faster") }), nil, "a transaction that came too late"
equal attempt.call(-> { other.get("a") }), [7], "a transaction that came in time"
redis.watch("a") { redis.unwatch }
other.set("a", "again")
equal redis.multi { |transaction| transaction.get("a") }, ["again"], "a transaction after UNWATCH"

# Errors.
wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value"
fails(wrong_type, "a list in place of a string") { redis.lpush("a", "x") }
fails(wrong_type, "a string in a union") { redis.sunionstore("to", "s", "a") }
fails("ERR hash value is not an integer", "no integer") { redis.hincrby("h", "city", 1) }
fails("ERR value is not a valid float", "no score") { redis.zadd("z", "high", "a") }
equal %w[a h ids s large\ zset nosuch].map { |key| redis.type(key) }, %w[string hash list set zset none], "TYPE"
