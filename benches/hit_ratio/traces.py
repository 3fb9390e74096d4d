"""The traces: which keys are asked for, in which order, and how large their values are. The same in every run."""
import itertools, random

VALUE = 64


class Trace:
    """Requests for the keys 0, 1, 2, ...; `sizes` holds the bytes of each key's value."""

    def __init__(self, name, requests, keys, sizes=None):
        self.name, self.requests = name, requests
        self.sizes = sizes or [VALUE] * keys


def zipf(dice, keys, exponent, count):
    """`count` draws from 0 to `keys` - 1; the k-th is drawn in proportion to k ** -exponent."""
    weights = list(itertools.accumulate((k + 1) ** -exponent for k in range(keys)))
    return dice.choices(range(keys), cum_weights=weights, k=count)


def skewed(exponent):
    def trace(dice, keys, count, _):
        return zipf(dice, keys, exponent, count), keys
    return trace


def scan(dice, keys, count, _):
    """Zipf 0.99; four times a scan passes through keys of its own, every other request for as long as it lasts."""
    requests = zipf(dice, keys, 0.99, count)
    scanned = itertools.cycle(range(keys, keys + keys // 2))
    quarter = count // 4
    for begin in range(quarter // 2, count, quarter):
        for i in range(begin, min(begin + keys, begin + quarter // 2), 2):
            requests[i] = next(scanned)
    return requests, keys + keys // 2


def shift(dice, keys, count, _):
    """Zipf 0.99 over three tenths of the keys; ten times half of them make room for others."""
    active = [dice.randrange(keys) for _ in range(keys * 3 // 10)]
    ranks = zipf(dice, len(active), 0.99, count)
    requests = []
    for phase in range(10):
        if phase:
            active = [dice.randrange(keys) if dice.random() < 0.5 else key for key in active]
        requests += (active[rank] for rank in ranks[phase * count // 10:(phase + 1) * count // 10])
    return requests, keys


def loop(_, keys, count, share):
    """Round and round through a fifth more keys than redis-server's memory holds."""
    return [i % int(keys * share * 1.2) for i in range(count)], keys


def web(dice, keys, count, _):
    """Three fifths of the keys are asked for once, at even intervals; the others by Zipf 0.9."""
    requests = zipf(dice, keys * 2 // 5, 0.9, count)
    once = keys * 3 // 5
    for key in range(once):
        requests[key * count // once] = keys * 2 // 5 + key
    return requests, keys


def sizes(dice, keys, count, _):
    """Zipf 0.99 over values whose sizes have a heavy tail: 64 bytes to 16 KiB, Pareto 1.1."""
    return zipf(dice, keys, 0.99, count), keys, [min(int(VALUE * dice.paretovariate(1.1)), 16384) for _ in range(keys)]


TRACES = {"Zipf 0.8": skewed(0.8), "Zipf 0.99": skewed(0.99), "Zipf 1.2": skewed(1.2), "scan": scan, "shifting": shift,
          "loop": loop, "web-like": web, "sizes": sizes}


def make(name, keys, count, share):
    """The trace of a name, for a cache that holds a `share` of what the keys take."""
    return Trace(name, *TRACES[name](random.Random(7), keys, count, share))
