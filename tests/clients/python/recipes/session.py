"""A session is a hash: one field for each thing to remember of a visitor, under a random key in the visitor's cookie.

A web program reads and writes single fields, not the whole session. The time to live is on the key: whoever does not come back
within half an hour is forgotten, and each visit begins the half hour anew.
"""

import secrets

from driver import connect, equal, within

IDLE_SECONDS = 30 * 60

r = connect()


def log_in(user):
    token = secrets.token_urlsafe()
    with r.pipeline() as transaction:  # Nobody finds a session that has no end.
        transaction.hset(f"session:{token}", mapping={"user": user, "visits": 0})
        transaction.expire(f"session:{token}", IDLE_SECONDS)
        transaction.execute()
    return token


def visit(token):
    """What is known of the visitor; nothing when the session is over."""
    key = f"session:{token}"
    if not r.expire(key, IDLE_SECONDS):
        return {}
    r.hincrby(key, "visits", 1)
    return r.hgetall(key)


def log_out(token):
    r.delete(f"session:{token}")


token = log_in("ann")
key = f"session:{token}"
within(r.ttl(key), IDLE_SECONDS - 5, IDLE_SECONDS, "the session's time to live")
equal(visit(token), {"user": "ann", "visits": "1"}, "the first visit")

# Fields come and go by themselves, the others stay as they are.
r.hset(key, "cart", "3 apples")
equal(r.hsetnx(key, "user", "mallory"), 0, "a second user of one session")
equal(visit(token), {"user": "ann", "visits": "2", "cart": "3 apples"}, "the second visit")
equal(r.hmget(key, "user", "cart", "language"), ["ann", "3 apples", None], "some fields")
equal(r.hdel(key, "cart", "language"), 1, "fields that were there")

# A visit gives the whole half hour back.
r.expire(key, 10)
visit(token)
within(r.ttl(key), IDLE_SECONDS - 5, IDLE_SECONDS, "the time to live after a visit")

# Time over, or logged out: the session is gone with all its fields.
r.pexpire(key, 0)
equal(visit(token), {}, "a session that is over")
token = log_in("bob")
log_out(token)
equal(visit(token), {}, "a session after logging out")
equal(r.dbsize(), 0, "keys that are left")
