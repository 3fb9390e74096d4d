#!/usr/bin/env python3
"""Measures messages delivered to subscribers per second of the server's processor time, Minium beside redis-server, in turns.

    cargo build --release && benches/publish.py [--subscribers 1000] [--rounds 5]

One publisher sends messages of 64 bytes, first waiting for each reply, then with 16 and 64 of them at once. Processor time is
user and system time of all threads (/proc/PID/stat), from the first message until all subscribers have all.
"""
import argparse, os, select, statistics, threading

from against_redis import Server, TICK

PAYLOAD = b"x" * 64
PUBLISH = b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$64\r\n%s\r\n" % PAYLOAD
MESSAGE = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$64\r\n%s\r\n" % PAYLOAD


def processor_time(server):
    with open(f"/proc/{server.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def publish(server, messages, depth):
    with server.connect() as client, client.makefile("rb") as replies:
        for _ in range(messages // depth):
            client.sendall(PUBLISH * depth)
            for _ in range(depth):
                replies.readline()


def measure(name, subscribers, depth):
    """Messages delivered per second of processor time."""
    messages = 500 * min(depth, 8)
    with Server(name) as server:
        sockets = [server.connect() for _ in range(subscribers)]
        poll = select.epoll()
        for client in sockets:
            client.sendall(b"SUBSCRIBE c\r\n")
            client.recv(100)
            client.setblocking(False)
            poll.register(client.fileno(), select.EPOLLIN)
        by_number = {client.fileno(): client for client in sockets}
        left = len(MESSAGE) * subscribers * (messages // depth * depth)
        delivered = left // len(MESSAGE)
        before = processor_time(server)
        publisher = threading.Thread(target=publish, args=(server, messages, depth))
        publisher.start()
        while left > 0:
            for number, _ in poll.poll(30):
                left -= len(by_number[number].recv(1 << 20))
        spent = processor_time(server) - before
        publisher.join()
        for client in sockets:
            client.close()
        return delivered / spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for depth in (1, 16, 64):
        found = {"redis": [], "minium": []}
        for _ in range(options.rounds):
            for name, rates in found.items():
                rates.append(measure(name, options.subscribers, depth))
        redis, minium = (statistics.median(found[name]) for name in ("redis", "minium"))
        print(f"{depth:2} at once: redis {redis:,.0f}, minium {minium:,.0f} messages per second, {minium / redis:.2f}x")


if __name__ == "__main__":
    main()
