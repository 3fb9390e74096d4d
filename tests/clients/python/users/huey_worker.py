"""huey: tasks wait in a list (or a sorted set, if they have priorities) for BRPOP (or BZPOPMIN), later ones in a sorted set.

Two consumers run as processes of their own, and their tasks' results come back through BLPOP.
"""

import os
import time

from driver import connect, equal, eventually, give_up_after, url, within
from worker import all_was_done_once, end, new_ledger, notes, running

give_up_after(240)
os.environ["SERVER"] = url()
ledger = new_ledger()

from huey import chord  # The application reads the variable.
from huey.exceptions import TaskException
from huey_tasks import add, alone, by_priority, first_come, flaky, total, urgent

r = connect()


def consumer(queue, workers):
    options = "-k", "thread", "-w", str(workers), "-g", "TERM"
    return running("huey.bin.huey_consumer", f"huey_tasks.{queue}", *options)


def result(task):
    return task.get(blocking=True, timeout=60)


# Added before there is a consumer: by priority, and by age where that is the same.
wanted = [f"priority {priority}, number {number}" for priority in (9, 5, 1) for number in range(10)]
names = [(priority, f"priority {priority}, number {number}") for number in range(10) for priority in (1, 9, 5)]
waiting = [urgent(name, priority=priority) for priority, name in names]
with consumer("by_priority", 1) as one:
    equal([result(task) for task in waiting], [name for _, name in names], "the results by priority")
    end(one)
equal(notes(), wanted, "the order")
os.truncate(os.environ["LEDGER"], 0)

early = [add(number, 0) for number in range(100)]
equal(len(first_come), 100, "tasks that wait")
with consumer("first_come", 1) as one:
    equal([result(task) for task in early], list(range(100)), "the results")
    end(one)
equal(notes(), [f"add {number} 0" for number in range(100)], "the order")
os.truncate(os.environ["LEDGER"], 0)

with consumer("first_come", 4) as many:
    # Many at once.
    sums = [add(number, number) for number in range(200)]
    equal([result(task) for task in sums], [2 * number for number in range(200)], "the results")

    # Each task gets what the one before it has answered; the last of many starts the next one, once, with all results.
    pipeline = first_come.enqueue(add.s(1, 2).then(add, 10).then(add, 100))
    equal([result(task) for task in pipeline], [3, 13, 113], "a pipeline's results")
    together = first_come.enqueue(chord([add.s(number, 1000) for number in range(20)], total.s()))
    equal(result(together.callback), sum(range(1000, 1020)), "a chord's result")

    # Tried again as often as was said.
    equal(result(flaky(2)), "worked", "a task that works in the end")
    try:
        result(flaky(9))
    except TaskException as error:
        equal(error.metadata["error"], "ValueError('not yet')", "the error of a task")
    else:
        raise SystemExit("a task that never works has worked")

    # Not before its time, and not at all if it is revoked meanwhile.
    start = time.monotonic()
    later, never = add.schedule(args=(3, 4), delay=1), add.schedule(args=(5, 6), delay=1)
    never.revoke()
    equal(result(later), 7, "a task with a delay")
    within(time.monotonic() - start, 1, 20, "seconds until it had run")
    eventually(lambda: not never.is_revoked(), "the consumer to meet the revoked task")

    # One at a time.
    alones = [alone(f"task {number}") for number in range(10)]
    equal([result(task) for task in alones], [f"task {number}" for number in range(10)], "tasks with a lock")
    steps = [entry for entry in notes() if entry.startswith("task")]
    equal([step.removesuffix("begins") for step in steps[::2]], [step.removesuffix("ends") for step in steps[1::2]], "what lies between begin and end")

    # A consumer that is asked to end finishes what it has begun, and takes nothing that it does not do.
    last = [add(number, 5000) for number in range(200)]
    end(many)

equal(len(first_come) + len([entry for entry in notes() if entry.endswith(" 5000")]), 200, "tasks that were done or still wait")
with consumer("first_come", 2) as successor:
    equal([result(task) for task in last], [number + 5000 for number in range(200)], "what the next consumer has done")
    end(successor)

wanted = [f"add {number} {number}" for number in range(200)] + ["add 1 2", "add 10 3", "add 100 13", "add 3 4"]
wanted += [f"add {number} 1000" for number in range(20)] + ["total of 20"]
wanted += [f"flaky {failures}: {left} attempts left" for failures in (2, 9) for left in (2, 1, 0)]
wanted += [f"task {number} {what}" for number in range(10) for what in ("begins", "ends")]
wanted += [f"add {number} 5000" for number in range(200)]
all_was_done_once(wanted)
equal([len(first_come), first_come.scheduled_count(), len(by_priority)], [0, 0, 0], "tasks that are left")
