/* hiredis, the C library below many others. Called with host, port and password.
 *
 * A reply is compared as text in the order it came: a string in quotes, a number as it is, nil, and what is in an array in
 * brackets. */

#define _POSIX_C_SOURCE 200809L
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *server;

static void fail(const char *what, const char *got, const char *wanted) {
    fprintf(stderr, "%s: got %s, wanted %s\n", what, got, wanted);
    exit(1);
}

static void write_reply(FILE *out, const redisReply *reply) {
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        fprintf(out, "%lld", reply->integer);
        break;
    case REDIS_REPLY_NIL:
        fputs("nil", out);
        break;
    case REDIS_REPLY_STRING:
        fprintf(out, "\"%s\"", reply->str);
        break;
    case REDIS_REPLY_ARRAY:
        fputc('[', out);
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0) fputc(' ', out);
            write_reply(out, reply->element[i]);
        }
        fputc(']', out);
        break;
    default: /* A status or an error. */
        fputs(reply->str, out);
    }
}

/* Frees the reply, and ends the program unless its text is the one wanted. */
static void check(const char *what, redisReply *reply, const char *wanted) {
    if (reply == NULL) fail(what, server->errstr, wanted);
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    write_reply(out, reply);
    fclose(out);
    if (strcmp(text, wanted) != 0) fail(what, text, wanted);
    free(text);
    freeReplyObject(reply);
}

/* Sends a command in hiredis's own format and compares its reply. */
static void expect(const char *wanted, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(server, format, arguments);
    va_end(arguments);
    check(format, reply, wanted);
}

static redisContext *connect_to(const char *host, int port, const char *password) {
    redisContext *context = redisConnectWithTimeout(host, port, (struct timeval){.tv_sec = 10});
    if (context == NULL || context->err) fail("connecting", context ? context->errstr : "no memory", "a connection");
    redisSetTimeout(context, (struct timeval){.tv_sec = 10});
    check("AUTH", redisCommand(context, "AUTH %s", password), "OK");
    return context;
}

static void data_types(void) {
    expect("2", "HSET h name %s age 7", "ann");
    expect("[\"name\" \"ann\" \"age\" \"7\"]", "HGETALL h");
    expect("[\"7\" nil]", "HMGET h age nosuch");
    expect("4", "HINCRBY h age %d", -3);
    expect("\"4.5\"", "HINCRBYFLOAT h age %f", 0.5);
    expect("1", "HDEL h name nosuch");

    expect("3", "RPUSH l a b c");
    expect("[\"b\" \"c\"]", "LRANGE l 1 -1");
    expect("4", "LINSERT l AFTER a x");
    expect("OK", "LTRIM l 0 1");
    expect("\"x\"", "LMOVE l m RIGHT LEFT");
    expect("\"a\"", "LPOP l");
    expect("nil", "LPOP l");

    expect("3", "SADD s 1 2 3");
    expect("[\"1\" \"2\" \"3\"]", "SMEMBERS s");
    expect("2", "SADD t 3 4");
    expect("[\"3\"]", "SINTER s t");
    expect("4", "SUNIONSTORE u s t");
    expect("1", "SMOVE t s 4");
    expect("nil", "SPOP nosuch");

    expect("3", "ZADD z %f a 2 b -inf c", 1.5);
    expect("[\"c\" \"-inf\" \"a\" \"1.5\" \"b\" \"2\"]", "ZRANGE z 0 -1 WITHSCORES");
    expect("[\"b\"]", "ZRANGE z +inf (1.5 BYSCORE REV LIMIT 0 %d", 5);
    expect("\"3.25\"", "ZINCRBY z 1.75 a");
    expect("2", "ZRANK z a");
    expect("[\"a\" \"3.25\"]", "ZPOPMAX z");
    expect("1", "ZREMRANGEBYSCORE z -inf 0");

    expect("0", "SETBIT bits 9 1");
    expect("1", "BITCOUNT bits");
    expect("2", "BITOP NOT not bits");
    expect("[0 255]", "BITFIELD counter OVERFLOW SAT SET u8 0 250 INCRBY u8 0 100");
    expect("3", "RPUSH ids 3 1 2");
    expect("[\"3\" \"2\"]", "SORT ids DESC LIMIT 0 2");
}

static void errors(void) {
    const char *wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    expect("OK", "SET text x");
    expect(wrong_type, "LPUSH text x");
    expect(wrong_type, "SUNIONSTORE to s text");
    expect("ERR value is not a valid float", "ZADD z high a");
    expect("ERR index out of range", "LSET m 9 x");
    expect("ERR wrong number of arguments for 'hset' command", "HSET h field");
}

/* Keys and members of any bytes, the empty one too. */
static void binary(void) {
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    const size_t length = sizeof bytes;
    expect("1", "HSET %b %b %b", bytes, length, bytes, length, bytes, length);
    expect("3", "SADD binary %b %s %b", bytes, length, "", "\r\n\0", (size_t)3);
    expect("[1 1 1 0]", "SMISMEMBER binary %b %s %b %b", bytes, length, "", "\r\n\0", (size_t)3, bytes, length - 1);
    redisReply *reply = redisCommand(server, "HGETALL %b", bytes, length);
    if (reply == NULL || reply->elements != 2) fail("HGETALL", "something else", "one field and its value");
    for (size_t i = 0; i < 2; i++) {
        const redisReply *element = reply->element[i];
        if (element->len != length || memcmp(element->str, bytes, length) != 0) fail("HGETALL", "other bytes", "every byte");
    }
    freeReplyObject(reply);
}

static void pipeline(void) {
    enum { DEPTH = 1000 };
    for (int i = 0; i < DEPTH; i++) redisAppendCommand(server, "HSET large field:%d %d", i, i);
    redisAppendCommand(server, "HLEN large");
    for (int i = 0; i < DEPTH; i++) redisAppendCommand(server, "ZADD ranked %d member:%d", DEPTH - i, i);
    redisAppendCommand(server, "ZRANGE ranked 0 1");
    redisReply *reply;
    for (int i = 0; i < 2 * DEPTH + 2; i++) {
        const char *wanted = i == DEPTH ? "1000" : i == 2 * DEPTH + 1 ? "[\"member:999\" \"member:998\"]" : "1";
        if (redisGetReply(server, (void **)&reply) != REDIS_OK) fail("a pipeline", server->errstr, wanted);
        check("a pipeline", reply, wanted);
    }
}

/* Every element of a hash, a set and a sorted set comes at least once. */
static void scans(void) {
    enum { COUNT = 2000 };
    for (int i = 0; i < COUNT; i++) {
        redisAppendCommand(server, "HSET hscan %d x", i);
        redisAppendCommand(server, "SADD sscan member:%d", i);
        redisAppendCommand(server, "ZADD zscan %d %d", i, i);
    }
    redisReply *reply;
    for (int i = 0; i < 3 * COUNT; i++) {
        if (redisGetReply(server, (void **)&reply) != REDIS_OK) fail("filling", server->errstr, "1");
        check("filling", reply, "1");
    }
    const struct { const char *command; size_t width; int prefix; } kinds[] = {{"hscan", 2, 0}, {"sscan", 1, 7}, {"zscan", 2, 0}};
    for (size_t kind = 0; kind < 3; kind++) {
        const char *command = kinds[kind].command;
        char seen[COUNT] = {0}, cursor[32] = "0";
        do {
            reply = redisCommand(server, "%s %s %s COUNT 100", command, command, cursor);
            if (reply == NULL || reply->elements != 2) fail(command, "something else", "a cursor and elements");
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
            const redisReply *batch = reply->element[1];
            for (size_t i = 0; i < batch->elements; i += kinds[kind].width) {
                int number = atoi(batch->element[i]->str + kinds[kind].prefix);
                if (number < 0 || number >= COUNT) fail(command, batch->element[i]->str, "an element of the collection");
                seen[number] = 1;
            }
            freeReplyObject(reply);
        } while (strcmp(cursor, "0") != 0);
        if (memchr(seen, 0, COUNT) != NULL) fail(command, "some elements", "all elements");
    }
}

static void transactions(redisContext *other) {
    expect("OK", "MULTI");
    expect("QUEUED", "SET a 1");
    expect("QUEUED", "INCRBY a 41");
    expect("QUEUED", "LPUSH a x");
    expect("QUEUED", "LRANGE m 0 -1");
    expect("[OK 42 WRONGTYPE Operation against a key holding the wrong kind of value [\"x\"]]", "EXEC");

    expect("OK", "MULTI");
    expect("QUEUED", "SET a lost");
    expect("OK", "DISCARD");
    expect("\"42\"", "GET a");

    expect("OK", "WATCH a");
    check("SET", redisCommand(other, "SET a faster"), "OK");
    expect("OK", "MULTI");
    expect("QUEUED", "SET a slower");
    expect("nil", "EXEC");
    expect("\"faster\"", "GET a");

    expect("OK", "MULTI");
    expect("ERR wrong number of arguments for 'get' command", "GET");
    expect("QUEUED", "SET a lost");
    expect("EXECABORT Transaction discarded because of previous errors.", "EXEC");
    expect("ERR EXEC without MULTI", "EXEC");
}

int main(int count, char **arguments) {
    if (count != 4) fail("arguments", "others", "host, port and password");
    const char *host = arguments[1], *password = arguments[3];
    const int port = atoi(arguments[2]);
    server = connect_to(host, port, password);
    redisContext *other = connect_to(host, port, password);
    expect("OK", "FLUSHALL");
    data_types();
    errors();
    binary();
    pipeline();
    scans();
    transactions(other);
    redisFree(other);
    redisFree(server);
    return 0;
}
