"""Celery: a task is a message in a list that workers wait for with BRPOP; results are keys that tell of themselves by messages.

Two workers run as processes of their own: one does several tasks at once, one does its queue in order.
"""

import os
import time
from datetime import datetime, timedelta, timezone

from driver import connect, equal, eventually, give_up_after, url, within
from worker import all_was_done_once, end, new_ledger, notes, running

give_up_after(240)
os.environ.update(BROKER=url(0), BACKEND=url(1))
ledger = new_ledger()

from celery import chain, chord, group  # The application reads the variables.
from celery_tasks import add, app, broken, flaky, log, total

PATIENCE = 60
broker, results = connect(db=0), connect(db=1)


def worker(name, *arguments):
    return running("celery", "-A", "celery_tasks", "worker", "-n", name, "--without-gossip", "--without-mingle", *arguments)


# Sent before there is a worker: the tasks wait in their list.
early = [log.apply_async([f"step {number}"], queue="steps") for number in range(50)]
equal(broker.llen("steps"), 50, "tasks that wait")

with worker("many@shop", "-c", "4", "--pool", "threads", "-Q", "orders") as many, worker("one@shop", "-c", "1", "--pool", "solo", "-Q", "steps") as one:
    # Commands for workers go through pub/sub.
    both = ["many@shop", "one@shop"]
    eventually(lambda: len(app.control.ping(destination=both, timeout=1)) == 2, "two workers")

    # One worker of one queue takes the tasks in their order.
    for task in early:
        task.get(timeout=PATIENCE)
    equal([entry for entry in notes() if entry.startswith("step")], [f"step {number}" for number in range(50)], "the order")

    # Many at once: each is done once, and each result is that of its task.
    sums = group(add.s(number, number) for number in range(200)).apply_async()
    equal(sums.get(timeout=PATIENCE), [2 * number for number in range(200)], "a group's results")

    # Each task gets what the one before it has answered.
    equal(chain(add.s(1, 2), add.s(10), add.s(100)).apply_async().get(timeout=PATIENCE), 113, "a chain's result")

    # The last of the header's tasks, whichever that is, starts the body; once, with all results in their order.
    chords = [chord(add.s(number, 1000) for number in range(size))(total.s()) for size in (1, 5, 50)]
    wanted = [sum(number + 1000 for number in range(size)) for size in (1, 5, 50)]
    equal([one_chord.get(timeout=PATIENCE) for one_chord in chords], wanted, "chords' results")

    # Tried again as often as needed, and no more; an error comes back as itself.
    equal(flaky.delay(2).get(timeout=PATIENCE), 2, "the attempt that worked")
    hopeless = flaky.delay(9)
    hopeless.get(timeout=PATIENCE, propagate=False)
    equal((hopeless.state, hopeless.result.__class__.__name__), ("FAILURE", "MaxRetriesExceededError"), "a task that never works")
    failure = broken.delay()
    equal(repr(failure.get(timeout=PATIENCE, propagate=False)), "ValueError('no such article')", "the error of a task")

    # Not before its time.
    due = datetime.now(timezone.utc) + timedelta(seconds=1.5)
    later = add.apply_async([3, 4], eta=due)
    equal(later.get(timeout=PATIENCE), 7, "a task with a time")
    within(time.time() - due.timestamp(), 0, PATIENCE, "seconds from its time to its result")

    # Revoked while it waits for its time: it never runs.
    revoked = log.apply_async(["revoked"], countdown=1, queue="steps")
    answers = app.control.revoke(revoked.id, destination=["one@shop"], reply=True, timeout=PATIENCE)
    equal([list(answer) for answer in answers], [["one@shop"]], "the worker that has answered")
    eventually(lambda: app.control.inspect(["one@shop"]).scheduled() == {"one@shop": []}, "its time")
    equal(revoked.state, "REVOKED", "the state of a revoked task")

    # Results end with their time, or when they are forgotten.
    key = f"celery-task-meta-{later.id}"
    within(results.ttl(key), 500, 600, "a result's time to live")
    later.forget()
    equal(results.exists(key), 0, "a forgotten result")

    end(many)
    end(one)

# All that was done was done once.
wanted = [f"step {number}" for number in range(50)]
wanted += [f"add {number} {number}" for number in range(200)] + ["add 1 2", "add 3 10", "add 13 100", "add 3 4"]
wanted += [f"add {number} 1000" for size in (1, 5, 50) for number in range(size)] + ["total"] * 3
wanted += [f"flaky 2: attempt {attempt}" for attempt in range(3)] + [f"flaky 9: attempt {attempt}" for attempt in range(4)]
wanted += ["broken"]
all_was_done_once(wanted)
equal((broker.llen("orders"), broker.llen("steps"), broker.hlen("unacked"), broker.zcard("unacked_index")), (0, 0, 0, 0), "messages that are left")
