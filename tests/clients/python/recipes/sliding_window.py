"""A rate limiter with a sliding window is a sorted set: each request of a user is a member, the time it came its score.

Requests that have left the window are removed, the new one is added, and how many there are then is the rate at this very moment:
all in one transaction, so two requests at once cannot both be the last that is allowed. A counter for each minute is cheaper, but
lets through twice the limit around the turn of the minute.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

from driver import connect, equal, within

LIMIT = 5
WINDOW = 60

r = connect()
number = itertools.count()  # Two requests of one moment are still two members.


def allowed(user, now):
    """Whether the user may do one more request at this time, in seconds."""
    key = f"rate:{user}"
    request = f"{now}:{next(number)}"
    with r.pipeline() as transaction:
        transaction.zremrangebyscore(key, "-inf", now - WINDOW)
        transaction.zadd(key, {request: now})
        transaction.zcard(key)
        transaction.expire(key, WINDOW)  # The set of a user who stays away goes by itself.
        _, _, count, _ = transaction.execute()
    if count > LIMIT:
        r.zrem(key, request)  # What is refused does not count.
        return False
    return True


start = 1_700_000_000.25  # A time of day is a float, and the score keeps it to the microsecond.

equal([allowed("ann", start + second) for second in range(0, 60, 10)], [True] * 5 + [False], "six requests in a minute")
equal(allowed("bob", start), True, "another user")
within(r.ttl("rate:ann"), WINDOW - 5, WINDOW, "the time to live of the set")

# Exactly a window after the first request there is room for one more, and only for one.
equal(allowed("ann", start + WINDOW - 0.000_001), False, "just before the first request leaves the window")
equal(allowed("ann", start + WINDOW), True, "when it has left")
equal(allowed("ann", start + WINDOW), False, "at the same moment again")
equal(r.zcard("rate:ann"), LIMIT, "requests in the window")

# When is there room again? When the oldest request of the window leaves it.
[oldest] = r.zrange("rate:ann", 0, 0, withscores=True)
equal(oldest[1] + WINDOW, start + 10 + WINDOW, "when to try again")

# A user who has been away begins anew, and of many requests at once as many are allowed as of a few.
with ThreadPoolExecutor(8) as browser:
    answers = list(browser.map(lambda _: allowed("ann", start + 1000), range(40)))
equal(answers.count(True), LIMIT, "requests that were allowed of forty at once")
equal(r.zcard("rate:ann"), LIMIT, "requests in the window")
