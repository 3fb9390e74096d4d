"""redis-py's Lock: a key with a time to live and a token, taken with SET NX PX and released by a script that compares the token."""

import threading
import time

from redis.exceptions import LockError, LockNotOwnedError

from driver import connect, equal, eventually, give_up_after, restart_server, within

give_up_after(120)
r = connect()

# Nobody is in while somebody is in: what is read and written there is never out of date.
ledger = {"number": 0, "inside": 0, "met": 0}


def work(client):
    for _ in range(50):
        with client.lock("the ledger", timeout=20, sleep=0.001):
            ledger["inside"] += 1
            ledger["met"] += ledger["inside"] > 1
            number = int(client.get("number") or 0)
            time.sleep(0)  # The others' turn, if they can.
            client.set("number", number + 1)
            ledger["number"] += 1
            ledger["inside"] -= 1


threads = [threading.Thread(target=work, args=(connect(),), daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
equal((r.get("number"), ledger), ("400", {"number": 400, "inside": 0, "met": 0}), "what all have written")
equal(r.exists("the ledger"), 0, "a lock that is left")

# One at a time, for as long as was said; an owner may stay longer.
mine, yours = r.lock("door", timeout=10), connect().lock("door", timeout=10)
equal((mine.acquire(), mine.owned(), mine.locked()), (True, True, True), "taking the lock")
equal((yours.acquire(blocking=False), yours.acquire(blocking_timeout=0.1), yours.owned()), (False, False, False), "a second owner")
within(r.pttl("door"), 9000, 10_000, "the lock's time")
equal(mine.extend(20), True, "extending it")
within(r.pttl("door"), 25_000, 30_000, "the lock's time after extending it by as much")
equal(mine.extend(5, replace_ttl=True), True, "shortening it")
within(r.pttl("door"), 4000, 5000, "the lock's time after shortening it")
equal(mine.reacquire(), True, "beginning its time again")
within(r.pttl("door"), 9000, 10_000, "the lock's time after beginning again")

# Who waits gets it when it is free.
waiter = threading.Thread(target=yours.acquire, kwargs={"sleep": 0.001}, daemon=True)
waiter.start()
mine.release()
waiter.join()
equal(yours.locked(), True, "the one that has waited has it")


def raises(kind, action, what):
    try:
        action()
    except kind:
        return
    raise SystemExit(f"{what} worked")


# A lock whose time is over is no longer one's own, and nobody removes another's.
raises(LockError, mine.release, "releasing twice")
short = r.lock("short", timeout=0.05)
short.acquire()
eventually(lambda: not r.exists("short"), "the end of the lock's time")
other = r.lock("short", timeout=10)
equal(other.acquire(), True, "taking the lock that is over")
raises(LockNotOwnedError, lambda: short.extend(10), "extending another's lock")
raises(LockNotOwnedError, short.reacquire, "taking another's lock again")
raises(LockNotOwnedError, short.release, "releasing another's lock")
equal(other.owned(), True, "the other's lock")

# The scripts are sent again where they are not known.
r.script_flush()
other.release()
restart_server()
equal(mine.acquire(), True, "taking the lock of a new server")
mine.release()
equal(r.dbsize(), 0, "keys that are left")
