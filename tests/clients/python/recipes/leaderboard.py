"""A leaderboard is a sorted set: the players are its members, their points the scores, and the order is always right.

Points are added in place, and who is best, who is where, and who is around a player are one command each, however many players
there are.
"""

from driver import connect, equal

r = connect()

BOARD = "leaderboard"
equal(r.zadd(BOARD, {"ann": 310, "bob": 250, "cem": 400, "dan": 250}), 4, "players")


def best(count):
    return r.zrevrange(BOARD, 0, count - 1, withscores=True)


def place(player):
    """1 for the best player."""
    rank = r.zrevrank(BOARD, player)
    return None if rank is None else rank + 1


def around(player, distance):
    """The player with the neighbours above and below."""
    rank = r.zrevrank(BOARD, player)
    return r.zrevrange(BOARD, max(rank - distance, 0), rank + distance)


def ranking(pairs):
    """Pairs as tuples, which RESP3 brings as lists."""
    return [tuple(pair) for pair in pairs]


equal(ranking(best(3)), [("cem", 400), ("ann", 310), ("dan", 250)], "the best three; equal points go by name")
equal([place(player) for player in ("cem", "bob", "nobody")], [1, 4, None], "places")

# Points arrive, and the order follows.
equal(r.zincrby(BOARD, 175, "bob"), 425, "bob's points")
equal(r.zincrby(BOARD, 0.5, "eve"), 0.5, "points of a player who was not on the board")
equal(ranking(best(2)), [("bob", 425), ("cem", 400)], "the best two now")
equal(around("ann", 1), ["cem", "ann", "dan"], "who is around ann")
equal(around("bob", 1), ["bob", "cem"], "who is around the best")

# A game's result counts only if it is a player's best.
equal(r.zadd(BOARD, {"ann": 100, "dan": 300}, gt=True, ch=True), 1, "players whose result counts")
equal(r.zmscore(BOARD, ["ann", "dan", "nobody"]), [310, 300, None], "points")

# How many have at least 300, and who?
equal(r.zcount(BOARD, 300, "+inf"), 4, "how many have 300")
equal(r.zrangebyscore(BOARD, "(300", "+inf"), ["ann", "cem", "bob"], "who has more than 300")

# The season's board adds up the weeks, of which the last counts twice.
r.zadd("week:1", {"ann": 10, "bob": 20})
r.zadd("week:2", {"ann": 30, "cem": 5})
equal(r.zunionstore("season", {"week:1": 1, "week:2": 2}), 3, "players of the season")
equal(ranking(r.zrange("season", 0, -1, desc=True, withscores=True)), [("ann", 70), ("bob", 20), ("cem", 10)], "the season")

# Only the best three stay on the board.
equal(r.zremrangebyrank(BOARD, 0, -4), 2, "players who leave")
equal(r.zrange(BOARD, 0, -1), ["ann", "cem", "bob"], "players who stay")
