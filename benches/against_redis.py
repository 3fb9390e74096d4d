#!/usr/bin/env python3
"""Measures Minium beside redis-server, in turns and in one run, and prints ratios.

    cargo build --release && benches/against_redis.py [cpu] [types] [collections] [throughput] [memory] [idle] [growth] [removal] [eviction]
                                                    [expiry] [saving] [scripts] [handoff] [always]

Needs redis-server and redis-benchmark. Both servers run on free loopback ports, without persistence. Figures:

cpu         processor time of the server per command, user and system, all threads (/proc/PID/stat). It moves far less
            with whatever else the machine does than throughput does.
types       the same for commands on hashes, lists, sets and sorted sets, at pipeline 16.
collections resident bytes per collection, or per element of a large one.
throughput  commands per second at pipeline 16, with as many client threads as there are cores.
memory      resident bytes per key, all included: (resident when loaded - resident when empty) / keys.
idle        resident bytes per idle connection.
removal     the worst round trip of a client that pings while a set of 5 million members is removed; and while, instead, nothing is:
            what is the machine's own.
growth      round trips of a client that pings once a millisecond while 5 million keys are written.
eviction    the share of its throughput that a stream of writes keeps when every write evicts a key; and the worst round trip of
            a client that pings while the limit is lowered from 2 GB to 1 GB and others write, and how long that takes.
expiry      after how many seconds 99% of the memory of a million keys that die at one moment is back, if nobody asks for them, and
            the worst round trip of a client that pings meanwhile.
saving      BGSAVE of 5 million keys (or --keys) while others overwrite them: how long it takes, how much memory the server takes
            at most beside what it took before (shared pages of a child counted once), and the worst round trips of a client that
            pings, before and meanwhile.
scripts     processor time of the server per EVAL of a rate limiter of five lines, at pipeline 16, and per transaction of five commands
            (SET, INCR, LPUSH, HSET, GET), 50 of these sent at once.
handoff     from sending an LPUSH until another connection, which waits in BLPOP, has the element: each of eight that wait in turn. At once,
            while the server still takes in the last one's next call; and half a millisecond later.
always      SETs per second of 50 clients at pipeline 1 with `appendfsync always`, on the disk that is there, and where every flush takes
            1 and 5 ms longer (needs a C compiler: a library put in front of the system's makes it so).

With --as-if-remote, eviction and saving let their writers run only when nobody else wants a processor, and the client that pings
at once, as if both had machines of their own.
"""
import argparse, contextlib, functools, itertools, os, re, signal, socket, statistics, subprocess, sys, tempfile, threading, time

TICK = os.sysconf("SC_CLK_TCK")
# Whether load and pinging client leave the server what it wants of the processor's time, as if both ran on other machines.
AS_IF_REMOTE = False
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERVERS = {
    "redis": ["redis-server", "--save", "", "--appendonly", "no"],
    "minium": [os.path.join(HERE, "target/release/minium"), "--save", ""],
}


class Server:
    def __init__(self, name, extra=(), environment=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.dir = tempfile.TemporaryDirectory()
        arguments = SERVERS[name] + ["--port", str(self.port), "--bind", "127.0.0.1", *extra]
        self.process = subprocess.Popen(arguments, cwd=self.dir.name, stdout=subprocess.DEVNULL, env=os.environ | (environment or {}))

    def __enter__(self):
        for _ in range(200):
            with contextlib.suppress(OSError), self.connect() as client:
                client.sendall(b"PING\r\n")
                if client.recv(16) == b"+PONG\r\n":
                    return self
            time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.dir.cleanup()

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def number(self, field):
        """A number from INFO."""
        with self.connect() as client, client.makefile("rb") as reply:
            client.sendall(b"INFO\r\n")
            text = reply.read(int(reply.readline()[1:]))
            return int(re.search(rb"\b%s:(\d+)" % field.encode(), text)[1])

    def resident(self):
        time.sleep(2)  # what was freed in the background is to be gone
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def physical(self):
        """Bytes of memory of the server and its children, a page that several of them share counted once."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            processes = [self.process.pid, *children.read().split()]
        total = 0
        for process in processes:
            with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as rollup:
                total += int(re.search(r"Pss:\s+(\d+)", rollup.read())[1]) * 1024
        return total

    def benchmark(self, command, pipeline, requests, threads=1):
        """Runs redis-benchmark with one of its tests, or with a list of words in which `__rand_int__` stands for twelve digits
        below a million; answers commands per second and server CPU microseconds per command."""
        before = self.cpu()
        words = ["redis-benchmark", "-p", self.port, "-P", pipeline, "-n", requests, "-r", 1000000, "-d", 64, "-c", 50, "-q"]
        words += ["--threads", threads] if threads > 1 else []
        words += ["-t", command] if isinstance(command, str) else command
        output = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout
        rate = float(re.findall(r"([\d.]+) requests per second", output)[-1])
        return rate, (self.cpu() - before) * 1e6 / requests

    def send(self, commands, batch=200):
        """Sends commands, each a list of words, in batches; all must be answered by a line."""
        with self.connect() as client, client.makefile("rb") as replies:
            commands = iter(commands)
            while some := list(itertools.islice(commands, batch)):
                client.sendall(b"".join(encode(command) for command in some))
                for _ in some:
                    if (line := replies.readline())[:1] == b"-":
                        raise RuntimeError(line.decode())


def encode(words):
    words = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def load(server, keys, value):
    """Writes `keys` keys of 16 bytes."""
    server.send((["SET", f"key:{i:012}", value] for i in range(keys)), 1000)


def chunks(words, size):
    """Lists of `size` words each."""
    words = iter(words)
    return iter(lambda: list(itertools.islice(words, size)), [])


def report(what, figures, unit):
    redis, minium = (statistics.median(figures[name]) for name in ("redis", "minium"))
    print(f"{what:32} redis {redis:12.2f}   minium {minium:12.2f}   {unit:8} ratio {minium / redis:5.2f}", flush=True)


def in_turns(rounds, measure):
    """Calls `measure(name)` for both servers, round after round; collects figures by name of figure."""
    found = {}
    for _ in range(rounds):
        for name in SERVERS:
            for what, figure in measure(name).items():
                found.setdefault(what, {}).setdefault(name, []).append(figure)
    return found


def cpu(name):
    figures = {}
    with Server(name) as server:
        load(server, 1_000_000, "x" * 64)
        for pipeline, requests in (1, 300_000), (16, 2_000_000), (64, 3_000_000):
            for command in "get", "set":
                figures[f"{command.upper()} at pipeline {pipeline}"] = server.benchmark(command, pipeline, requests)[1]
    return figures


def throughput(name):
    with Server(name) as server:
        load(server, 1_000_000, "x" * 64)
        return {f"{command.upper()} at pipeline 16": server.benchmark(command, 16, 4_000_000, os.cpu_count())[0] / 1000
                for command in ("get", "set")}


def memory(name):
    figures = {}
    for size in 64, 8:
        with Server(name) as server:
            empty = server.resident()
            load(server, 1_000_000, "x" * size)
            figures[f"1M keys of 16 B, values of {size} B"] = (server.resident() - empty) / 1_000_000
    return figures


def members(count, offset=0):
    return (f"element:{i:012}" for i in range(offset, offset + count))


def fill(server, command, key, words, each=1000):
    """Gives a large collection its elements, which take an even number of words."""
    server.send(([command, key, *some] for some in chunks(words, each)), 20)


def scored(count, offset=0):
    return (word for i, member in enumerate(members(count, offset)) for word in (i, member))


def fields(count):
    return (word for member in members(count) for word in (member, "x" * 8))


def types(rounds):
    """As the others, but in turns command by command, so that both servers meet each moment of a noisy machine."""
    rand = "element:__rand_int__"
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Server(name)) for name in SERVERS}
        for server in servers.values():
            fill(server, "RPUSH", "list300", members(300))
            fill(server, "HSET", "hash50", fields(50))
            fill(server, "ZADD", "zset100", scored(100))
            for key, offset in ("10k", 0), ("other10k", 5000):
                fill(server, "SADD", "set" + key, members(10_000, offset))
                fill(server, "ZADD", "zset" + key, scored(10_000, offset))
            fill(server, "RPUSH", "list10k", ((i * 7919) % 10_007 for i in range(10_000)))
        for what, words, requests in [
            ("PING, the kernel's part", ["PING"], 600_000),
            ("HSET", ["HSET", "hash", rand, "xxxxxxxx"], 600_000),
            ("HGET", ["HGET", "hash", rand], 600_000),
            ("LPUSH", ["LPUSH", "list", rand], 600_000),
            ("LPOP", ["LPOP", "list"], 600_000),
            ("SADD", ["SADD", "set", rand], 600_000),
            ("SPOP", ["SPOP", "set"], 300_000),
            ("ZADD", ["ZADD", "zset", "__rand_int__", rand], 400_000),
            ("ZRANK", ["ZRANK", "zset", rand], 400_000),
            ("ZRANGEBYSCORE of 10", ["ZRANGEBYSCORE", "zset", "__rand_int__", "+inf", "LIMIT", 0, 10], 300_000),
            ("LRANGE of 300", ["LRANGE", "list300", 0, 299], 50_000),
            ("HGETALL of 50", ["HGETALL", "hash50"], 100_000),
            ("ZRANGE of 100", ["ZRANGE", "zset100", 0, 99], 100_000),
            ("SINTER of two of 10k", ["SINTER", "set10k", "setother10k"], 500),
            ("ZUNIONSTORE of two of 10k", ["ZUNIONSTORE", "union", 2, "zset10k", "zsetother10k"], 500),
            ("SORT of 10k", ["SORT", "list10k"], 500),
        ]:
            figures = {name: [] for name in servers}
            for _ in range(rounds):
                for name, server in servers.items():
                    figures[name].append(server.benchmark(words, 16, requests)[1])
            report(what, figures, "us/op")


def collections(name):
    figures = {}
    for what, count, commands in [
        ("200k hashes of 10 fields", 200_000,
         lambda: (["HSET", f"hash:{i:012}", *(word for j in range(10) for word in (f"field:{j}", f"v{j:02}{i % 100000:05}"))]
                  for i in range(200_000))),
        ("100k sorted sets of 20", 100_000,
         lambda: (["ZADD", f"zset:{i:012}", *(word for j in range(20) for word in ((i * 20 + j) % 1000000, f"member:{j:02}"))]
                  for i in range(100_000))),
        ("an element of a zset of 1M", 1_000_000, lambda: (["ZADD", "zset", *some] for some in chunks(scored(1_000_000), 2000))),
        ("an element of a set of 1M", 1_000_000, lambda: (["SADD", "set", *some] for some in chunks(members(1_000_000), 1000))),
        ("a field of a hash of 1M", 1_000_000, lambda: (["HSET", "hash", *some] for some in chunks(fields(1_000_000), 2000))),
        ("an element of a list of 1M", 1_000_000, lambda: (["RPUSH", "list", *some] for some in chunks(members(1_000_000), 1000))),
        ("an element of a list of 4M", 4_000_000, lambda: (["RPUSH", "list", *some] for some in chunks(members(4_000_000), 1000))),
    ]:
        with Server(name) as server:
            empty = server.resident()
            server.send(commands(), 50)
            figures[what] = (server.resident() - empty) / count
    return figures


@contextlib.contextmanager
def writing(server, keys, value):
    """Has 20 clients write keys below a number all the while."""
    def give_way():
        if AS_IF_REMOTE:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    words = ["redis-benchmark", "-p", server.port, "-c", 20, "-n", 10**9, "-q", "-r", keys, "SET", "key:__rand_int__", value]
    writers = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, preexec_fn=give_way)
    try:
        yield
    finally:
        writers.terminate()
        writers.wait()


@contextlib.contextmanager
def pinging(server, pause):
    """Pings all the while; the list that this gives holds the round trips in milliseconds at the end."""
    trips, done = [], threading.Event()

    def ping():
        if AS_IF_REMOTE:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        with server.connect() as client:
            while not done.is_set():
                begin = time.perf_counter()
                client.sendall(b"PING\r\n")
                client.recv(16)
                trips.append((time.perf_counter() - begin) * 1000)
                time.sleep(pause)
    pinger = threading.Thread(target=ping)
    pinger.start()
    try:
        yield trips
    finally:
        done.set()
        pinger.join()


def removal(name):
    figures = {}
    for command in ["PING"], ["DEL", "set"], ["RENAME", "other", "set"], ["PEXPIRE", "set", 1]:
        with Server(name) as server:
            server.send((["SADD", "set", *some] for some in chunks(members(5_000_000), 1000)), 50)
            server.send([["SET", "other", 1]])
            time.sleep(3)  # what the load left behind is to be gone
            with pinging(server, 0.0002) as trips:
                server.send([command])
                time.sleep(5)  # as long as anybody may feel it
            figures[f"worst ping after {command[0]}"] = max(trips)
    return figures


def idle(name, connections=10_000):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 1000), hard))
    with Server(name, ["--maxclients", str(connections + 100)]) as server:
        empty = server.resident()
        clients = []
        for _ in range(connections):
            client = server.connect()
            client.sendall(b"PING\r\n")
            client.recv(16)
            clients.append(client)
        per_connection = (server.resident() - empty) / connections
        for client in clients:
            client.close()
    return {f"{connections} idle connections": per_connection}


def growth(name):
    with Server(name) as server, pinging(server, 0.001) as trips:
        # The writer is a process of its own, so that the pinging thread never waits for the interpreter.
        subprocess.run([sys.executable, __file__, "--load", str(server.port)], check=True)
    trips.sort()
    return {"ping p99.9 while growing to 5M": trips[int(len(trips) * 0.999)], "worst ping while growing to 5M": trips[-1]}


def eviction(name):
    def stream(server, requests):
        return server.benchmark(["-r", 10**11, "SET", "key:__rand_int__", "x" * 64], 16, requests)[0]

    with Server(name) as server:
        free = stream(server, 2_000_000)
    with Server(name, ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]) as server:
        stream(server, 2_000_000)
        limited = stream(server, 2_000_000)
    figures = {"throughput kept at the limit": limited / free * 100}
    with Server(name, ["--maxmemory", "2gb", "--maxmemory-policy", "allkeys-lru"]) as server:
        fill = ["-r", 10**11, "SET", "key:__rand_int__", "x" * 400]
        while server.number("used_memory") < 0.99 * 2**31:
            server.benchmark(fill, 64, 500_000)
        with writing(server, 10**11, "x" * 400), pinging(server, 0.0005) as trips:
            time.sleep(3)
            usual = max(trips)
            trips.clear()
            server.send([["CONFIG", "SET", "maxmemory", "1gb"]])
            begin = time.perf_counter()
            while server.number("used_memory") > 1.01 * 2**30:
                time.sleep(0.1)
            figures["time from 2 GB to 1 GB"] = (time.perf_counter() - begin) * 1000
        figures["worst ping under that load before"] = usual
        figures["worst ping while going down"] = max(trips)
    return figures


def expiry(name):
    with Server(name) as server:
        empty = server.number("used_memory")
        death = int(time.time() + 30)
        server.send((["SET", f"key:{i:012}", "x" * 64, "EXAT", death] for i in range(1_000_000)))
        full = server.number("used_memory")
        time.sleep(death - 1 - time.time())  # fails if the load took longer
        with pinging(server, 0.0005) as trips:
            time.sleep(max(0, death - time.time()))
            trips.clear()
            while server.number("used_memory") - empty > (full - empty) * 0.01:
                time.sleep(0.05)
            gone = time.time() - death
            time.sleep(1)
        return {"99% of what expired is back after": gone * 1000, "worst ping meanwhile": max(trips)}


def saving(name, keys):
    with Server(name) as server:
        subprocess.run([sys.executable, __file__, "--load", str(server.port), "--keys", str(keys)], check=True)
        with writing(server, keys, "y" * 64), pinging(server, 0.0005) as trips:
            time.sleep(3)
            usual, before = max(trips), server.physical()
            most = before
            trips.clear()
            begin = time.perf_counter()
            server.send([["BGSAVE"]])
            while server.number("rdb_bgsave_in_progress"):
                most = max(most, server.physical())
                time.sleep(0.1)
            took = time.perf_counter() - begin
            worst = max(trips)
        size = os.path.getsize(os.path.join(server.dir.name, "dump.rdb"))
    millions = f"{keys / 1e6:g}M keys"
    return {f"BGSAVE of {millions} under writes (s)": took, "its extra memory (MB)": (most - before) / 1e6,
            "the same in percent": (most - before) * 100 / before, "worst ping before (ms)": usual,
            "worst ping meanwhile (ms)": worst, "size of the file (MB)": size / 1e6}


LIMITER = """local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if n > tonumber(ARGV[1]) then return 0 end
return 1
"""
FIVE = ["SET text 1", "INCR number", "LPUSH list x", "HSET hash field 1", "GET text"]


def scripts(name, transactions=200_000, at_once=50):
    with Server(name) as server:
        limiter = ["EVAL", LIMITER, 1, "limit:__rand_int__", 100, 60000]
        figures = {"EVAL of a rate limiter": server.benchmark(limiter, 16, 300_000)[1]}
    with Server(name) as server, server.connect() as client, client.makefile("rb") as replies:
        transaction = b"".join(encode(line.split()) for line in ["MULTI", *FIVE, "EXEC"])
        # +OK, five times +QUEUED, the array, four lines and one bulk string of two lines.
        lines = 1 + 5 + 1 + 4 + 2
        before = server.cpu()
        for _ in range(transactions // at_once):
            client.sendall(transaction * at_once)
            for _ in range(lines * at_once):
                replies.readline()
        figures["transaction of five commands"] = (server.cpu() - before) * 1e6 / transactions
    return figures


def handoff(name):
    figures = {}
    for how, pause, rounds in ("", 0, 20_000), (" after a pause", 0.0005, 5_000):
        trips = sorted(trips_of_handoff(name, pause, rounds))
        figures |= {f"hand-off{how}, p50": trips[rounds // 2], f"hand-off{how}, p99": trips[rounds * 99 // 100]}
    return figures


def trips_of_handoff(name, pause, rounds):
    with Server(name) as server, contextlib.ExitStack() as stack:
        pusher = stack.enter_context(server.connect())
        waiting = [stack.enter_context(server.connect()) for _ in range(8)]
        for number, client in enumerate(waiting):
            client.sendall(encode(["BLPOP", f"queue:{number}", 0]))
        while server.number("blocked_clients") < len(waiting):
            time.sleep(0.01)
        trips = []
        for number in range(rounds):
            if pause:
                time.sleep(pause)
            turn = number % len(waiting)
            began = time.perf_counter()
            pusher.sendall(encode(["LPUSH", f"queue:{turn}", "x" * 64]))
            if b"x" * 64 not in waiting[turn].recv(4096):
                raise RuntimeError("not the element")
            trips.append((time.perf_counter() - began) * 1e6)
            pusher.recv(64)
            waiting[turn].sendall(encode(["BLPOP", f"queue:{turn}", 0]))
    return trips


SLOW_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int after_a_while(const char *name, int fd) {
    usleep(atoi(getenv("FLUSH_DELAY")));
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return after_a_while("fsync", fd); }
int fdatasync(int fd) { return after_a_while("fdatasync", fd); }
"""


def always(name):
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "slow_disk.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"], input=SLOW_DISK, text=True, check=True)
        for delay, requests in (0, 150_000), (1, 60_000), (5, 30_000):
            environment = {"LD_PRELOAD": library, "FLUSH_DELAY": str(delay * 1000)} if delay else {}
            with Server(name, ["--appendonly", "yes", "--appendfsync", "always"], environment) as server:
                throughput = server.benchmark(["SET", "key:__rand_int__", "x" * 64], 1, requests)[0]
            figures["SET, the disk as it is" if delay == 0 else f"SET, a flush {delay} ms longer"] = throughput
    return figures


MEASURES = {"cpu": (cpu, "us/op"), "collections": (collections, "B"), "throughput": (throughput, "k/s"), "memory": (memory, "B/key"),
            "idle": (idle, "B"), "growth": (growth, "ms"), "removal": (removal, "ms"),
            "eviction": (eviction, "% / ms"), "expiry": (expiry, "ms"), "saving": (saving, ""),
            "scripts": (scripts, "us/op"), "handoff": (handoff, "us"), "always": (always, "/s")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", nargs="*", help="which figures; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", type=int, default=5_000_000, help="how many, for saving")
    parser.add_argument("--minium", default="", metavar="ARGUMENTS", help="further arguments of Minium, such as '--io-threads-always-active yes'")
    parser.add_argument("--as-if-remote", action="store_true", help="for eviction and saving: the writers run when the server does not "
                        "want to, and who pings runs at once (needs root), as if both had machines of their own")
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        writer = object.__new__(Server)
        writer.port = options.load
        return load(writer, options.keys, "x" * 64)
    global AS_IF_REMOTE
    AS_IF_REMOTE = options.as_if_remote
    SERVERS["minium"] += options.minium.split()
    unknown = set(options.measure) - {"types", *MEASURES}
    if unknown:
        parser.error(f"unknown measure: {', '.join(sorted(unknown))}")
    for chosen in options.measure or ["types", *MEASURES]:
        if chosen == "types":
            types(options.rounds)
            continue
        measure, unit = MEASURES[chosen]
        if chosen == "saving":
            measure = functools.partial(saving, keys=options.keys)
        for what, figures in in_turns(options.rounds, measure).items():
            report(what, figures, unit)


if __name__ == "__main__":
    main()
