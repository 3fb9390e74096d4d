"""Who was active on a day is a bitmap: users have numbers, and the bit with the user's number says whether they came.

A million users are 125 kB a day. How many came is BITCOUNT; who came on all days of a week, or on any of them, is one BITOP over
the days' bitmaps.
"""

from driver import connect, equal

r = connect()

DAYS = [f"active:2026-11-{day}" for day in range(16, 23)]


def came(day, *users):
    for user in users:
        r.setbit(day, user, 1)


came(DAYS[0], 1, 7, 8, 1_000_000)
came(DAYS[1], 7, 9)
for day in DAYS[2:]:
    came(day, 7)

# One day.
equal(r.bitcount(DAYS[0]), 4, "users of the first day")
equal([r.getbit(DAYS[0], user) for user in (7, 9, 1_000_001, 4_000_000_000)], [1, 0, 0, 0], "who came")
equal(r.setbit(DAYS[0], 7, 1), 1, "the second visit of the day finds the first")
equal(r.strlen(DAYS[0]), 125_001, "bytes of a bitmap whose last user has the number 1000000")

# A week.
r.bitop("AND", "active:every-day", *DAYS)
r.bitop("OR", "active:any-day", *DAYS)
equal(r.bitcount("active:every-day"), 1, "users who came every day")
equal(r.bitpos("active:every-day", 1), 7, "the one who did")
equal(r.bitcount("active:any-day"), 5, "users who came at all")

# Who came on the first day and did not come back on the second?
r.bitop("NOT", "absent", DAYS[1])
r.bitop("AND", "lost", DAYS[0], "absent")
equal([r.getbit("lost", user) for user in (1, 7, 8)], [1, 0, 1], "who was lost")

# Of the users with the numbers 0 to 7, those of the bitmap's first byte, two came.
equal(r.bitcount(DAYS[0], 0, 0), 2, "users of the first byte")
equal(r.bitcount(DAYS[0], 7, 8, "BIT"), 2, "users number 7 and 8")

# Last month's bitmaps go by themselves.
r.expire(DAYS[0], 30 * 86_400)
equal(r.ttl(DAYS[0]) > 29 * 86_400, True, "the bitmap has an end")
