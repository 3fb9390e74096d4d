"""The bounds: what an exact LRU and Belady's clairvoyant would have hit, given the bytes that each key takes.

With values of unequal sizes Belady's rule (the key whose next use is furthest goes first) is not the optimum, so there it is
a mark and no bound."""
import collections, heapq


def exact_lru(trace, costs, room):
    """The share of requests that hit, in percent."""
    held, used, hits = collections.OrderedDict(), 0, 0
    for key in trace.requests:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        held[key] = None
        used += costs[key]
        while used > room:
            gone, _ = held.popitem(last=False)
            used -= costs[gone]
    return 100 * hits / len(trace.requests)


def belady(trace, costs, room):
    """The share of requests that hit, in percent."""
    never = len(trace.requests)
    following, later = [never] * never, {}
    for i in range(never - 1, -1, -1):
        following[i] = later.get(trace.requests[i], never)
        later[trace.requests[i]] = i
    held, furthest, used, hits = {}, [], 0, 0
    for i, key in enumerate(trace.requests):
        if key in held:
            hits += 1
        else:
            used += costs[key]
        held[key] = following[i]
        heapq.heappush(furthest, (-following[i], key))
        while used > room:
            use, gone = heapq.heappop(furthest)
            if held.get(gone) == -use:
                del held[gone]
                used -= costs[gone]
    return 100 * hits / len(trace.requests)
