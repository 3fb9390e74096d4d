<?php
// phpredis, the extension that most PHP programs use. Called with host, port and password.

declare(strict_types=1);

[, $host, $port, $password] = $argv;

/** Ends the script unless both are the same, in type too. */
function equal(mixed $got, mixed $wanted, string $what): void
{
    if ($got !== $wanted) {
        fwrite(STDERR, "$what: got " . var_export($got, true) . ', wanted ' . var_export($wanted, true) . "\n");
        exit(1);
    }
}

/** The same list in one order, for replies that have none. */
function sorted(array $list): array
{
    sort($list);
    return $list;
}

/** What the last failed command said; this version of the library leaves a zero byte behind some texts. */
function lastError(): string
{
    global $redis;
    $error = rtrim((string) $redis->getLastError(), "\0");
    $redis->clearLastError();
    return $error;
}

function connect(): Redis
{
    global $host, $port, $password;
    $redis = new Redis();
    $redis->connect($host, (int) $port, 5);
    equal($redis->auth($password), true, 'AUTH');
    return $redis;
}

$stranger = new Redis();
$stranger->connect($host, (int) $port, 5);
try {
    $stranger->auth('wrong');
    equal('taken', 'refused', 'a wrong password');
} catch (RedisException $exception) {
    equal(str_starts_with($exception->getMessage(), 'WRONGPASS'), true, 'the refusal of a wrong password');
}

$redis = connect();
$redis->flushAll();
$everyByte = implode('', array_map('chr', range(0, 255)));

// Hashes.
equal($redis->hMSet('h', ['name' => 'ann', 'age' => 7]), true, 'HMSET');
equal($redis->hSet('h', 'age', '8'), 0, 'HSET of a field that is there');
equal($redis->hGet('h', 'nosuch'), false, 'HGET of a missing field');
equal($redis->hMGet('h', ['age', 'nosuch']), ['age' => '8', 'nosuch' => false], 'HMGET');
equal($redis->hGetAll('h'), ['name' => 'ann', 'age' => '8'], 'HGETALL');
equal($redis->hIncrBy('h', 'age', -3), 5, 'HINCRBY');
equal($redis->hIncrByFloat('h', 'age', 0.5), 5.5, 'HINCRBYFLOAT');
equal([$redis->hExists('h', 'name'), $redis->hSetNx('h', 'name', 'bob'), $redis->hStrLen('h', 'name')], [true, false, 3], 'fields');
equal([sorted($redis->hKeys('h')), sorted($redis->hVals('h'))], [['age', 'name'], ['5.5', 'ann']], 'HKEYS and HVALS');
equal([$redis->hDel('h', 'name', 'age', 'nosuch'), $redis->exists('h')], [2, 0], 'HDEL');

// Lists.
equal([$redis->rPush('l', 'b', 'c'), $redis->lPush('l', 'a'), $redis->lPushx('nosuch', 'a')], [2, 3, 0], 'pushes');
equal($redis->lRange('l', 0, -1), ['a', 'b', 'c'], 'LRANGE');
equal([$redis->lIndex('l', -1), $redis->lIndex('l', 9)], ['c', false], 'LINDEX');
equal([$redis->lInsert('l', Redis::BEFORE, 'b', 'x'), $redis->lSet('l', 0, 'y'), $redis->lSet('l', 9, 'y')], [4, true, false], 'LINSERT and LSET');
equal(lastError(), 'ERR index out of range', 'the error of LSET past the end');
equal([$redis->lRem('l', 'x', 1), $redis->lTrim('l', 0, 1), $redis->lLen('l')], [1, true, 2], 'LREM and LTRIM');
equal([$redis->lPop('l'), $redis->rPoplPush('l', 'm'), $redis->lPop('l')], ['y', 'b', false], 'pops');

// Sets.
equal([$redis->sAdd('s', 'a', 'b', 'c'), $redis->sAdd('s', 'a'), $redis->sAdd('t', 'c', 'd')], [3, 0, 2], 'SADD');
equal([sorted($redis->sMembers('s')), $redis->sCard('s'), $redis->sIsMember('s', 'a')], [['a', 'b', 'c'], 3, true], 'members');
equal([$redis->sMisMember('s', 'a', 'x'), $redis->sRem('s', 'x', 'a')], [[1, 0], 1], 'SMISMEMBER and SREM');
equal([sorted($redis->sUnion('s', 't')), $redis->sInter('s', 't'), $redis->sDiff('s', 't')], [['b', 'c', 'd'], ['c'], ['b']], 'set algebra');
equal([$redis->sUnionStore('u', 's', 't'), $redis->sMove('u', 'v', 'd'), $redis->sMove('u', 'v', 'd')], [3, true, false], 'SUNIONSTORE and SMOVE');
equal([$redis->sPop('v'), $redis->sPop('v'), $redis->sRandMember('t', -2) !== []], ['d', false, true], 'random members');

// Sorted sets.
equal([$redis->zAdd('z', 1, 'a', 2.5, 'b', 3, 'c'), $redis->zAdd('z', ['NX'], 9, 'a')], [3, 0], 'ZADD');
equal([$redis->zAdd('z', ['XX', 'CH'], 4, 'a'), $redis->zIncrBy('z', 0.5, 'b')], [1, 3.0], 'ZADD XX CH and ZINCRBY');
equal($redis->zRange('z', 0, -1, true), ['b' => 3.0, 'c' => 3.0, 'a' => 4.0], 'ZRANGE WITHSCORES');
equal($redis->zRevRange('z', 0, 0), ['a'], 'ZREVRANGE');
equal($redis->zRangeByScore('z', '(2', '3', ['withscores' => true, 'limit' => [1, 1]]), ['c' => 3.0], 'ZRANGEBYSCORE');
equal([$redis->zScore('z', 'a'), $redis->zScore('z', 'x'), $redis->zRank('z', 'a'), $redis->zRevRank('z', 'x')], [4.0, false, 2, false], 'ranks');
equal([$redis->zCount('z', '3', '+inf'), $redis->zLexCount('z', '-', '+'), $redis->zCard('z')], [3, 3, 3], 'counts');
equal($redis->zUnionStore('sum', ['z', 'z'], [1, 2], 'MAX'), 3, 'ZUNIONSTORE');
equal([$redis->zPopMax('sum'), $redis->zRemRangeByRank('sum', 0, 0), $redis->zRem('sum', 'c')], [['a' => 8.0], 1, 1], 'removals');

// Bits, and sorting.
equal([$redis->setBit('bits', 9, true), $redis->getBit('bits', 9), $redis->bitCount('bits'), $redis->bitPos('bits', 1)], [0, 1, 1, 9], 'bits');
equal([$redis->bitOp('NOT', 'not', 'bits'), $redis->bitCount('not')], [2, 15], 'BITOP');
$redis->rPush('ids', '3', '1', '2');
equal($redis->sort('ids', ['sort' => 'desc', 'limit' => [0, 2]]), ['3', '2'], 'SORT');

// Binary members, and a large collection through the scan iterators.
$redis->hSet($everyByte, $everyByte, $everyByte);
$redis->sAdd("s$everyByte", $everyByte, '', "\r\n");
equal($redis->hGetAll($everyByte), [$everyByte => $everyByte], 'binary fields');
equal(sorted($redis->sMembers("s$everyByte")), sorted([$everyByte, '', "\r\n"]), 'binary members');
$fields = [];
foreach (range(1, 2000) as $number) {
    $fields["field $number"] = "value $number";
}
$redis->hMSet('large', $fields);
$redis->sAddArray('large set', array_keys($fields));
foreach ($fields as $field => $value) {
    $scores[$field] = (float) substr($field, 6);
}
$redis->zAdd('large zset', ...array_merge(...array_map(null, array_values($scores), array_keys($scores))));
$redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
$seen = ['h' => [], 's' => [], 'z' => []];
for ($cursor = null; $batch = $redis->hScan('large', $cursor, '', 100);) {
    $seen['h'] += $batch;
}
for ($cursor = null; $batch = $redis->sScan('large set', $cursor, '', 100);) {
    $seen['s'] += array_flip($batch);
}
for ($cursor = null; $batch = $redis->zScan('large zset', $cursor, '', 100);) {
    $seen['z'] += $batch;
}
ksort($fields);
ksort($scores);
array_walk($seen, fn (array &$elements) => ksort($elements));
equal($seen['h'], $fields, 'HSCAN');
equal(array_keys($seen['s']), array_keys($fields), 'SSCAN');
equal($seen['z'], $scores, 'ZSCAN');

// Pipelines, and transactions in the library's own way.
equal($redis->pipeline()->set('a', '1')->incr('a')->hGetAll('nosuch')->lRange('nosuch', 0, -1)->exec(), [true, 2, [], []], 'a pipeline');
$replies = $redis->multi()->set('a', '1')->incrBy('a', 41)->sAdd('one', 'x')->zAdd('two', 1, 'x')->zRange('two', 0, -1, true)->exec();
equal($replies, [true, 42, 1, 1, ['x' => 1.0]], 'a transaction');
equal($redis->multi()->set('a', 'x')->lPush('a', 'y')->get('a')->exec(), [true, false, 'x'], 'a transaction with an error');
$redis->multi()->set('a', 'lost');
equal([$redis->discard(), $redis->get('a')], [true, 'x'], 'DISCARD');
$other = connect();
$redis->watch('a');
$other->set('a', 'faster');
equal([$redis->multi()->set('a', 'slower')->exec(), $redis->get('a')], [false, 'faster'], 'a transaction that came too late');
$redis->watch('a');
$redis->unwatch();
$other->set('a', 'again');
equal($redis->multi()->get('a')->exec(), ['again'], 'a transaction after UNWATCH');

// Errors are false, with a message that can be asked for.
equal([$redis->lPush('a', 'x'), lastError()], [false, 'WRONGTYPE Operation against a key holding the wrong kind of value'], 'a wrong type');
equal([$redis->hIncrBy('large', 'field 1', 1), lastError()], [false, 'ERR hash value is not an integer'], 'no integer');
equal([$redis->type('a'), $redis->type('large'), $redis->type('ids'), $redis->type('s'), $redis->type('z')], [
    Redis::REDIS_STRING, Redis::REDIS_HASH, Redis::REDIS_LIST, Redis::REDIS_SET, Redis::REDIS_ZSET,
], 'TYPE');
