#!/usr/bin/env python3
"""Replays the same traces against Minium and redis-server at the same maxmemory, and reports hit ratios.

    cargo build --release && benches/hit_ratio/run.py docs/benchmarks/DATE-hit-ratio

Writes DATE-hit-ratio.md and DATE-hit-ratio.svg, and keeps what it has measured in target/DATE-hit-ratio.json, so that a run that
was interrupted goes on where it was; some three hundred replays take about an hour. Needs redis-server, and cc for the clock that is preloaded into both servers.

maxmemory is what the server uses when empty, and room for keys that is the same for both: 5%, 10% or 25% of what all keys of the
trace take in redis-server. (Minium uses less when empty, so its maxmemory is the lower one; of small caches like these that would
otherwise be a large part.)"""
import argparse, json, os, tempfile

import bounds, replay, report, traces

SHARES = 0.05, 0.10, 0.25
SHARED = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"]
POLICIES = {"redis": SHARED, "minium": [*SHARED, "allkeys-lhd"]}


class Figures:
    """What was measured, by name, kept in a file."""

    def __init__(self, path):
        self.path = path
        self.known = {}
        if os.path.exists(path):
            with open(path) as file:
                self.known = json.load(file)

    def get(self, name, measure):
        if name not in self.known:
            self.known[name] = measure()
            with open(self.path, "w") as file:
                json.dump(self.known, file, indent=0)
            print(name, self.known[name], flush=True)
        return self.known[name]


def working_set(server, trace, folder):
    with replay.Server(server, folder, "--maxmemory-policy", "noeviction") as empty:
        return replay.load(empty, trace)


def hit_ratio(server, policy, trace, limit, folder):
    with replay.Server(server, folder, "--maxmemory", str(limit), "--maxmemory-policy", policy) as limited:
        ratio = replay.replay(limited, trace, policy.startswith("volatile"))
        limited.ticking(0.2)
        used = limited.info(b"used_memory")
        if used > limit * 1.02:
            raise RuntimeError(f"{server} uses {used} bytes of {limit}")
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", help="path of what is written, without an ending")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--traces", nargs="*", default=list(traces.TRACES))
    parser.add_argument("--policies", nargs="*", default=POLICIES["minium"])
    options = parser.parse_args()
    kept = os.path.join(replay.HERE, "../../target", os.path.basename(options.document) + ".json")
    figures = Figures(kept)
    with tempfile.TemporaryDirectory() as folder:
        replay.compile_clock(folder)
        for name in options.traces:
            for share in SHARES:
                trace = traces.make(name, options.keys, options.requests, share)
                cell = f"{name} {share:.0%} "
                for server in POLICIES:  # of the loop only the order depends on the share
                    figures.get(f"{name} bytes {server}", lambda: working_set(server, trace, folder))
                _, total = figures.known[f"{name} bytes redis"]
                room = int(total * share)
                empty = {}
                for server in POLICIES:
                    empty[server], bytes_used = figures.known[f"{name} bytes {server}"]
                    beside = (bytes_used - sum(trace.sizes)) / len(trace.sizes)
                    costs = [size + beside for size in trace.sizes]
                    figures.get(cell + f"{server} exact LRU", lambda: bounds.exact_lru(trace, costs, room))
                    figures.get(cell + f"{server} Belady", lambda: bounds.belady(trace, costs, room))
                for policy in options.policies:
                    for server in POLICIES:
                        if policy in POLICIES[server]:
                            figures.get(cell + f"{server} {policy}",
                                        lambda: hit_ratio(server, policy, trace, empty[server] + room, folder))
    report.write(options, figures.known, SHARES, POLICIES)


if __name__ == "__main__":
    main()
