"""To take the last piece from stock exactly once, a buyer watches the stock, looks at it, and then takes in a transaction.

If anyone has touched the stock between the look and the EXEC, nothing of the transaction happens, and the buyer looks again. No
lock is held that a crashed buyer would keep: this is optimistic locking.
"""

import threading

from redis import WatchError

from driver import connect, equal

STOCK = "stock:lamp"
ORDERS = "orders:lamp"

r = connect()


def buy(client, buyer, pieces):
    """Whether the buyer got the pieces; how often another one was faster does not matter."""
    with client.pipeline() as transaction:
        while True:
            try:
                transaction.watch(STOCK)
                if int(transaction.get(STOCK)) < pieces:
                    return False
                transaction.multi()
                transaction.decrby(STOCK, pieces)
                transaction.rpush(ORDERS, f"{buyer}:{pieces}")
                transaction.execute()
                return True
            except WatchError:
                continue


# One buyer.
r.set(STOCK, 3)
equal([buy(r, "ann", 2), buy(r, "ann", 2), buy(r, "ann", 1), buy(r, "ann", 1)], [True, False, True, False], "four wishes")
equal((r.get(STOCK), r.lrange(ORDERS, 0, -1)), ("0", ["ann:2", "ann:1"]), "stock and orders")

# Whoever is overtaken gets nothing: the other buyer's step comes between the look and the EXEC.
r.set(STOCK, 1)
with r.pipeline() as transaction:
    transaction.watch(STOCK)
    equal(transaction.get(STOCK), "1", "what the slow buyer sees")
    equal(buy(r, "bob", 1), True, "the fast buyer")
    transaction.multi()
    transaction.decrby(STOCK, 1)
    transaction.rpush(ORDERS, "ann:1")
    try:
        transaction.execute()
    except WatchError:
        pass
    else:
        raise SystemExit("the last piece was sold twice")
equal((r.get(STOCK), r.lrange(ORDERS, -1, -1)), ("0", ["bob:1"]), "stock and the last order")

# Eight buyers at once want 160 pieces of 100: all 100 are sold, and no more.
r.set(STOCK, 100)
r.delete(ORDERS)
results = [[] for _ in range(8)]


def shop(buyer):
    client = connect()
    results[buyer] = [buy(client, buyer, 1) for _ in range(20)]


buyers = [threading.Thread(target=shop, args=(buyer,)) for buyer in range(len(results))]
for buyer in buyers:
    buyer.start()
for buyer in buyers:
    buyer.join()
equal(r.get(STOCK), "0", "stock after the rush")
equal(sum(map(sum, results)), 100, "pieces that buyers believe to have")
orders = r.lrange(ORDERS, 0, -1)
for buyer, result in enumerate(results):
    equal(orders.count(f"{buyer}:1"), sum(result), f"orders of buyer {buyer}")
