"""Replays a trace against a server: GET, and SET after a miss."""
import mmap, os, socket, struct, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = {
    "redis": ["redis-server", "--save", "", "--appendonly", "no"],
    "minium": [os.path.join(HERE, "../../target/release/minium"), "--save", ""],
}
# A request takes a millisecond of the server's time, so that a clock of whole seconds, which Redis's LRU goes by, is fine
# enough, and a trace lasts long enough for LFU counters to sink.
NANOSECONDS_PER_REQUEST = 1_000_000
# Requests under way at once. A miss is known, and its SET sent, before the next batch; a key that is asked for twice in a
# batch is asked for again with the next one.
BATCH = 64


def encode(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Server:
    """A server on a free loopback port, whose clock is ours. Its directory is `folder`, where `clock.so` lies."""

    def __init__(self, name, folder, *arguments):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        clock = os.path.join(folder, "clock")
        with open(clock, "wb+") as file:
            file.write(bytes(8))
            file.flush()
            self.clock = mmap.mmap(file.fileno(), 8)
        environment = os.environ | {"LD_PRELOAD": os.path.join(folder, "clock.so"), "VIRTUAL_CLOCK": clock}
        if name == "redis":  # its cron goes by the monotonic clock, and it is the cron that reads the LRU clock
            environment["VIRTUAL_MONOTONIC"] = "1"
        words = SERVERS[name] + ["--port", str(self.port), "--bind", "127.0.0.1", *arguments]
        self.process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(500):
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.02)
        else:
            raise RuntimeError("the server does not answer")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()

    def set_clock(self, nanoseconds):
        struct.pack_into("<q", self.clock, 0, nanoseconds)

    def ask(self, commands):
        """Sends commands; answers the lines of their replies. No value may hold a line break."""
        self.socket.sendall(b"".join(commands) + b"PING\r\n")
        received = bytearray()
        while not received.endswith(b"+PONG\r\n"):
            if not (some := self.socket.recv(1 << 18)):
                raise RuntimeError("the server has gone")
            received += some
        lines = bytes(received).split(b"\r\n")[:-2]
        if errors := [line for line in lines if line[:1] == b"-"]:
            raise RuntimeError(errors[0].decode())
        return lines

    def info(self, field):
        return next(int(line[len(field) + 1:]) for line in self.ask([b"INFO everything\r\n"]) if line.startswith(field + b":"))

    def ticking(self, seconds):
        """Lets the clock run for so long, for what a server does by the clock alone."""
        for step in range(int(seconds * 100)):
            self.set_clock(step * 10_000_000)
            time.sleep(0.001)


def commands_for(trace, volatile=False):
    """The GET and the SET of every key."""
    names = [b"key:%012d" % key for key in range(len(trace.sizes))]
    # A deadline for policies that only look at keys with one; too far for any to pass.
    options = lambda key: (b"EX", b"%d" % (10_000_000 + key * 7919 % 1_000_000)) if volatile else ()
    gets = [encode(b"GET", name) for name in names]
    sets = [encode(b"SET", name, b"x" * size, *options(key)) for key, (name, size) in enumerate(zip(names, trace.sizes))]
    return gets, sets


def replay(server, trace, volatile=False):
    """The share of requests that hit, in percent."""
    gets, sets = commands_for(trace, volatile)
    hits, missed, again, done = 0, [], [], 0
    while missed or again or done < len(trace.requests):
        batch = trace.requests[done:done + BATCH]
        done += len(batch)
        first = dict.fromkeys(batch)
        asked = [*again, *first]
        server.set_clock(done * NANOSECONDS_PER_REQUEST)
        lines = server.ask([*(sets[key] for key in missed), *(gets[key] for key in asked)])
        found = [line != b"$-1" for line in lines if line[:1] == b"$"]
        hits += sum(found)
        missed = list(dict.fromkeys(key for key, hit in zip(asked, found, strict=True) if not hit))
        again = []
        if len(first) < len(batch):
            for key in batch:
                if key in first:
                    del first[key]
                else:
                    again.append(key)
    return 100 * hits / len(trace.requests)


def load(server, trace):
    """Writes every key of a trace; answers the bytes that the server used before, and what all keys took."""
    _, sets = commands_for(trace)
    server.ticking(0.2)
    empty = server.info(b"used_memory")
    for i in range(0, len(sets), BATCH):
        server.ask(sets[i:i + BATCH])
    server.ticking(2)  # until a table that was growing has grown
    return empty, server.info(b"used_memory") - empty


def compile_clock(folder):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", os.path.join(folder, "clock.so"),
                    os.path.join(HERE, "clock.c"), "-ldl"], check=True)
