"""What a customer has looked at lately is a list: the newest is pushed at the front, and trimming keeps the list short.

The two commands go in one transaction, so nobody ever sees more than the list is to hold.
"""

from driver import connect, equal

KEEP = 5

r = connect()


def viewed(user, article):
    key = f"recent:{user}"
    with r.pipeline() as transaction:
        transaction.lrem(key, 0, article)  # Seen again, it moves to the front.
        transaction.lpush(key, article)
        transaction.ltrim(key, 0, KEEP - 1)
        transaction.execute()


def recent(user, count=KEEP):
    return r.lrange(f"recent:{user}", 0, count - 1)


equal(recent("ann"), [], "what a newcomer has seen")
for article in "apple", "pear", "plum":
    viewed("ann", article)
equal(recent("ann"), ["plum", "pear", "apple"], "the newest comes first")

viewed("ann", "apple")
equal(recent("ann"), ["apple", "plum", "pear"], "nothing twice")

for number in range(1000):
    viewed("ann", f"article {number}")
equal(recent("ann"), [f"article {number}" for number in (999, 998, 997, 996, 995)], "the last five of many")
equal(r.llen("recent:ann"), KEEP, "the length of the list")
equal(recent("ann", 2), ["article 999", "article 998"], "the last two")
equal(r.lpos("recent:ann", "article 996"), 3, "how long ago")

# A list that loses its last element is gone.
r.ltrim("recent:ann", 1, 0)
equal(r.exists("recent:ann"), 0, "a list without elements")
