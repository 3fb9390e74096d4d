"""Tags are sets: for each tag a set of the articles that have it, and for each article a set of its tags.

Which articles have all of some tags is the intersection of the tags' sets, which have any of them the union, and which have one
but not the other the difference. The server works these out; only the answer travels.
"""

from driver import connect, equal

r = connect()


def tag(article, *tags):
    with r.pipeline() as transaction:  # Both sides agree at any moment.
        transaction.sadd(f"article:{article}:tags", *tags)
        for name in tags:
            transaction.sadd(f"tag:{name}", article)
        transaction.execute()


def untag(article, name):
    with r.pipeline() as transaction:
        transaction.srem(f"article:{article}:tags", name)
        transaction.srem(f"tag:{name}", article)
        transaction.execute()


def sets(*tags):
    return [f"tag:{name}" for name in tags]


tag("ferris", "rust", "systems", "crab")
tag("tokio", "rust", "systems", "network")
tag("flask", "python", "network")
tag("numpy", "python", "systems")

equal(r.smembers("tag:rust"), {"ferris", "tokio"}, "articles with a tag")
equal(r.smembers("article:tokio:tags"), {"rust", "systems", "network"}, "tags of an article")
equal(r.smismember("tag:network", ["tokio", "numpy"]), [1, 0], "which articles have the tag")

equal(r.sinter(sets("rust", "systems")), {"ferris", "tokio"}, "articles with both tags")
equal(r.sinter(sets("rust", "systems", "network")), {"tokio"}, "articles with all three tags")
equal(r.sunion(sets("rust", "python")), {"ferris", "tokio", "flask", "numpy"}, "articles with either tag")
equal(r.sdiff(sets("systems", "rust")), {"numpy"}, "articles with one tag but not the other")
equal(r.sinter(sets("rust", "nosuch")), set(), "articles with a tag that nobody has")

# How many there are needs no articles, and whoever only asks for "more than one" lets the server stop there.
equal(r.sintercard(2, sets("rust", "systems")), 2, "how many articles have both")
equal(r.sintercard(2, sets("rust", "systems"), limit=1), 1, "whether any article has both")

# A question that is asked often keeps its answer for a while.
equal(r.sinterstore("found:rust+systems", sets("rust", "systems")), 2, "articles in the answer")
r.expire("found:rust+systems", 60)
untag("ferris", "rust")
equal(r.smembers("found:rust+systems"), {"ferris", "tokio"}, "the answer that was kept")
equal(r.sinter(sets("rust", "systems")), {"tokio"}, "the answer now")

# A tag that nothing has any more is gone, and a member may change its set in one step.
untag("ferris", "crab")
equal(r.exists("tag:crab"), 0, "the tag that nothing has")
equal(r.smove("tag:network", "tag:web", "flask"), True, "an article in another tag's set")
equal((r.smembers("tag:network"), r.smembers("tag:web")), ({"tokio"}, {"flask"}), "both sets")
