# Perl's Redis. Called with host, port and password.
use strict;
use warnings;

use Redis;
use Test::More;

my ($host, $port, $password) = @ARGV;
# The library's caller reads the standard output; what the tests say is for the standard error.
Test::More->builder->output(*STDERR);

# Runs the code, which must die with a message like this.
sub fails {
    my ($code, $pattern, $what) = @_;
    ok(!eval { $code->(); 1 } && $@ =~ $pattern, $what) or diag("it died of: $@");
}

sub connection {
    return Redis->new(server => "$host:$port", password => shift);
}

fails(sub { connection('wrong') }, qr/WRONGPASS/, 'a wrong password is refused');
my $redis = connection($password);
$redis->flushall;
my $every_byte = join '', map { chr } 0 .. 255;
my $wrong_type = qr/WRONGTYPE Operation against a key holding the wrong kind of value/;

subtest hashes => sub {
    is $redis->hset('h', name => 'ann', age => 7), 2, 'HSET';
    is $redis->hmset('h', age => 8, city => 'Ulm'), 'OK', 'HMSET';
    is_deeply {$redis->hgetall('h')}, {name => 'ann', age => 8, city => 'Ulm'}, 'HGETALL';
    is_deeply [$redis->hmget('h', 'age', 'nosuch')], [8, undef], 'HMGET';
    is $redis->hget('h', 'nosuch'), undef, 'HGET of a missing field';
    is $redis->hincrby('h', 'age', -3), 5, 'HINCRBY';
    is $redis->hincrbyfloat('h', 'age', 0.25), 5.25, 'HINCRBYFLOAT';
    is $redis->hdel('h', 'name', 'nosuch'), 1, 'HDEL';
    is_deeply [sort $redis->hkeys('h')], [qw(age city)], 'HKEYS';
    fails(sub { $redis->hincrby('h', 'city', 1) }, qr/ERR hash value is not an integer/, 'HINCRBY of a text');
};

subtest lists => sub {
    is $redis->rpush('l', qw(b c)), 2, 'RPUSH';
    is $redis->lpush('l', 'a'), 3, 'LPUSH';
    is_deeply [$redis->lrange('l', 0, -1)], [qw(a b c)], 'LRANGE';
    is $redis->linsert('l', 'BEFORE', 'b', 'x'), 4, 'LINSERT';
    is $redis->lindex('l', -1), 'c', 'LINDEX';
    is $redis->lset('l', 0, 'y'), 'OK', 'LSET';
    fails(sub { $redis->lset('l', 9, 'y') }, qr/ERR index out of range/, 'LSET past the end');
    is $redis->lrem('l', 1, 'x'), 1, 'LREM';
    is $redis->ltrim('l', 0, 1), 'OK', 'LTRIM';
    is $redis->rpoplpush('l', 'm'), 'b', 'RPOPLPUSH';
    is $redis->lpop('l'), 'y', 'LPOP';
    is $redis->lpop('l'), undef, 'LPOP of nothing';
};

subtest sets => sub {
    is $redis->sadd('s', qw(a b c a)), 3, 'SADD';
    is $redis->sadd('t', qw(c d)), 2, 'SADD';
    is_deeply [sort $redis->smembers('s')], [qw(a b c)], 'SMEMBERS';
    is_deeply [sort $redis->sunion('s', 't')], [qw(a b c d)], 'SUNION';
    is_deeply [$redis->sinter('s', 't')], ['c'], 'SINTER';
    is_deeply [sort $redis->sdiff('s', 't')], [qw(a b)], 'SDIFF';
    is $redis->sinterstore('u', 's', 't'), 1, 'SINTERSTORE';
    is $redis->smove('t', 'u', 'd'), 1, 'SMOVE';
    is $redis->srem('s', 'a', 'x'), 1, 'SREM';
    is_deeply [sort map { $redis->spop('u') } 1 .. 2], [qw(c d)], 'SPOP';
    is $redis->spop('u'), undef, 'SPOP of nothing';
};

subtest 'sorted sets' => sub {
    is $redis->zadd('z', 1 => 'a', 2.5 => 'b', '-inf' => 'c'), 3, 'ZADD';
    is_deeply [$redis->zrange('z', 0, -1, 'WITHSCORES')], ['c', '-inf', 'a', 1, 'b', 2.5], 'ZRANGE';
    is_deeply [$redis->zrevrangebyscore('z', '+inf', '(1', 'WITHSCORES')], ['b', 2.5], 'ZREVRANGEBYSCORE';
    is $redis->zincrby('z', 0.25, 'a'), 1.25, 'ZINCRBY';
    is $redis->zrank('z', 'b'), 2, 'ZRANK';
    is $redis->zrank('z', 'x'), undef, 'ZRANK of a missing member';
    is $redis->zunionstore('sum', 2, 'z', 'z', 'WEIGHTS', 1, 2), 3, 'ZUNIONSTORE';
    is_deeply [$redis->zpopmax('sum')], ['b', 7.5], 'ZPOPMAX';
    is $redis->zremrangebyscore('z', '-inf', '(2'), 2, 'ZREMRANGEBYSCORE';
    is $redis->zcard('z'), 1, 'ZCARD';
    fails(sub { $redis->zadd('z', 'high', 'a') }, qr/ERR value is not a valid float/, 'ZADD of no number');
};

subtest 'bits and sorting' => sub {
    is $redis->setbit('bits', 9, 1), 0, 'SETBIT';
    is $redis->getbit('bits', 9), 1, 'GETBIT';
    is $redis->bitop('NOT', 'not', 'bits'), 2, 'BITOP';
    is $redis->bitcount('not'), 15, 'BITCOUNT';
    $redis->rpush('ids', 3, 1, 2);
    is_deeply [$redis->sort('ids', qw(DESC LIMIT 0 2))], [3, 2], 'SORT';
};

subtest 'binary members and scans' => sub {
    $redis->hset($every_byte, $every_byte, $every_byte);
    is_deeply {$redis->hgetall($every_byte)}, {$every_byte => $every_byte}, 'binary fields';
    $redis->sadd('binary', $every_byte, '', "\r\n");
    is_deeply [sort $redis->smembers('binary')], [sort $every_byte, '', "\r\n"], 'binary members';
    my %large = map { ("element $_" => $_) } 1 .. 2000;
    $redis->hset('large hash', %large);
    $redis->sadd('large set', keys %large);
    $redis->zadd('large zset', reverse %large);
    for (['hscan', 'large hash', 2], ['sscan', 'large set', 1], ['zscan', 'large zset', 2]) {
        my ($command, $key, $width) = @$_;
        my ($cursor, %seen) = (0);
        do {
            ($cursor, my $batch) = $redis->$command($key, $cursor, 'COUNT', 100);
            while (my ($element, $value) = splice @$batch, 0, $width) {
                $seen{$element} = $value // $large{$element};
            }
        } while $cursor;
        is_deeply \%seen, \%large, uc $command;
    }
};

subtest 'pipelines and transactions' => sub {
    my @answers;
    my $keep = sub { push @answers, $_[1] // $_[0] };
    $redis->set('a', 1, $keep);
    $redis->incr('a', $keep);
    $redis->lpush('a', 'x', $keep);
    $redis->lrange('nosuch', 0, -1, $keep);
    $redis->wait_all_responses;
    like splice(@answers, 2, 1), $wrong_type, 'an error in a pipeline';
    is_deeply \@answers, ['OK', 2, []], 'a pipeline';

    is $redis->multi, 'OK', 'MULTI';
    is $redis->incrby('a', 40), 'QUEUED', 'a command in a transaction';
    $redis->sadd('one', 'x');
    $redis->lrange('m', 0, -1);
    is_deeply [$redis->exec], [42, 1, ['b']], 'EXEC';

    $redis->multi;
    $redis->set('a', 'lost');
    is $redis->discard, 'OK', 'DISCARD';
    is $redis->get('a'), 42, 'what was discarded';

    # In a pipeline, EXEC gives each command's reply or error.
    $redis->multi(sub { });
    $redis->llen('m', sub { });
    $redis->lpush('a', 'x', sub { });
    my $replies;
    $redis->exec(sub { $replies = $_[0] });
    $redis->wait_all_responses;
    is $replies->[0][0], 1, 'the command before an error';
    like $replies->[1][1], $wrong_type, 'an error in a transaction';

    my $other = connection($password);
    $redis->watch('a');
    $other->set('a', 'faster');
    $redis->multi;
    $redis->set('a', 'slower');
    is $redis->exec, undef, 'a transaction that came too late';
    is $redis->get('a'), 'faster', 'what it has not changed';
    $redis->watch('a');
    $redis->unwatch;
    $other->set('a', 'again');
    $redis->multi;
    $redis->get('a');
    is_deeply [$redis->exec], ['again'], 'a transaction after UNWATCH';

    $redis->multi;
    fails(sub { $redis->nosuch }, qr/ERR unknown command/, 'an unknown command in a transaction');
    fails(sub { $redis->exec }, qr/EXECABORT Transaction discarded because of previous errors/, 'a transaction that cannot run');
};

fails(sub { $redis->lpush('a', 'x') }, $wrong_type, 'a string where a list is wanted');
is_deeply [map { $redis->type($_) } 'a', 'h', 'm', 's', 'z', 'nosuch'], [qw(string hash list set zset none)], 'TYPE';
done_testing;
