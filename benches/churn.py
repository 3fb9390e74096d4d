#!/usr/bin/env python3
"""A day of a cache in minutes: what the process holds beside what it may hold.

    cargo build --release && benches/churn.py [--minutes 15] [--maxmemory 1gb] [--policy allkeys-lru] [--server minium|redis]

Values from 16 bytes to 64 KB come and go at the limit. Their usual size drifts over the whole range and back, a third of
them expire within a minute, some are overwritten, grown or deleted. Needs what against_redis.py needs. Prints, every ten
seconds, what is handed out and what is resident, each as a share of maxmemory, and the worst of both at the end; the exit code
tells whether the resident memory stayed within --bound (1.25) times maxmemory.
"""
import argparse, math, multiprocessing, random, sys, time

from against_redis import Server, encode

SMALLEST, LARGEST = 16, 64 << 10
KEYS = 2_000_000
BATCH = 100


def drift(share):
    """The usual size after this share of the time: three times up and down the range, evenly in its logarithm."""
    up_and_down = abs((share * 6 + 1) % 2 - 1)
    return SMALLEST * (LARGEST / SMALLEST) ** up_and_down


def commands(usual, dice):
    """One change to a random key, most often a new value of about the usual size."""
    key = f"key:{int(KEYS * dice.random() ** 2)}"
    size = min(LARGEST, max(SMALLEST, int(usual * math.exp(dice.gauss(0, 1)))))
    kind = dice.random()
    if kind < 0.55:
        return ["SET", key, "x" * size]
    if kind < 0.85:
        return ["SET", key, "x" * size, "PX", dice.randrange(1000, 60_000)]
    if kind < 0.90:
        return ["DEL", key]
    if kind < 0.95:
        return ["RPUSH", "list:" + key, *("x" * min(size, 500) for _ in range(5))]
    return ["HSET", "hash:" + key, *(word for n in range(5) for word in (f"field:{n}", "x" * min(size, 500)))]


def write(port, seconds, seed):
    server = object.__new__(Server)
    server.port = port
    dice = random.Random(seed)
    begin = time.time()
    with server.connect() as client, client.makefile("rb") as replies:
        while (passed := time.time() - begin) < seconds:
            usual = drift(passed / seconds)
            client.sendall(b"".join(encode(commands(usual, dice)) for _ in range(BATCH)))
            for _ in range(BATCH):
                replies.readline()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--maxmemory", default="1gb")
    parser.add_argument("--policy", default="allkeys-lru")
    parser.add_argument("--server", default="minium", choices=["minium", "redis"])
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--bound", type=float, default=1.25)
    parser.add_argument("directive", nargs="*", help="further directives of the server and their values")
    options = parser.parse_args()
    seconds = options.minutes * 60
    with Server(options.server, ["--maxmemory", options.maxmemory, "--maxmemory-policy", options.policy, *options.directive]) as server:
        limit = server.number("maxmemory")
        writers = [multiprocessing.Process(target=write, args=(server.port, seconds, seed)) for seed in range(options.writers)]
        for writer in writers:
            writer.start()
        begin = shown = time.time()
        worst = {"used": 0.0, "resident": 0.0}
        while any(writer.is_alive() for writer in writers):
            time.sleep(0.5)
            now = {"used": server.number("used_memory") / limit, "resident": server.number("used_memory_rss") / limit}
            worst = {what: max(worst[what], now[what]) for what in worst}
            if time.time() - shown >= 10:
                shown = time.time()
                print(f"{shown - begin:5.0f} s  usual size {drift((shown - begin) / seconds):6.0f}  used {now['used']:.3f}  "
                      f"resident {now['resident']:.3f}  evicted {server.number('evicted_keys')}", flush=True)
        print(f"worst: used {worst['used']:.3f}, resident {worst['resident']:.3f} of maxmemory {options.maxmemory}")
        sys.exit(worst["resident"] > options.bound)


if __name__ == "__main__":
    main()
