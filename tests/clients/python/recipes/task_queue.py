"""A task queue is a list: producers push at one end, workers pop at the other, and each task goes to exactly one worker.

A worker that dies takes its task along, unless it moves the task to a list of its own while it works on it: LMOVE takes and puts
in one step, so a task is always in exactly one list. What a dead worker has left is put back at the front of the queue.
"""

import json
import threading

from driver import connect, equal

QUEUE = "tasks"

r = connect()


def submit(*tasks):
    r.lpush(QUEUE, *(json.dumps(task) for task in tasks))


def take(worker):
    """The oldest task, which is now on the worker's list; nothing when there is none."""
    return r.lmove(QUEUE, f"{QUEUE}:{worker}", "RIGHT", "LEFT")


def finish(worker, task):
    r.lrem(f"{QUEUE}:{worker}", 1, task)


def recover(worker):
    """Puts back what a dead worker has left, to be done next."""
    while r.lmove(f"{QUEUE}:{worker}", QUEUE, "LEFT", "RIGHT") is not None:
        pass


# First in, first out.
submit({"mail": 1}, {"mail": 2})
submit({"mail": 3})
equal(r.llen(QUEUE), 3, "tasks that wait")
equal([json.loads(task) for task in r.lrange(QUEUE, 0, -1)], [{"mail": 3}, {"mail": 2}, {"mail": 1}], "the queue")

task = take("first")
equal(json.loads(task), {"mail": 1}, "the oldest task")
finish("first", task)
equal(r.exists(f"{QUEUE}:first"), 0, "a worker with nothing to do")

# A worker dies on its task; another one gets it.
take("second")
equal((r.llen(QUEUE), r.llen(f"{QUEUE}:second")), (1, 1), "a task in work is on the worker's list")
recover("second")
equal(json.loads(take("third")), {"mail": 2}, "the task of the dead worker")
equal(json.loads(take("third")), {"mail": 3}, "the last task")
equal(take("third"), None, "an empty queue")
r.delete(f"{QUEUE}:third")

# Many workers: each task is done once.
submit(*range(1000))
done = [[] for _ in range(4)]


def work(worker):
    while (task := take(worker)) is not None:
        done[worker].append(json.loads(task))
        finish(worker, task)


workers = [threading.Thread(target=work, args=(worker,)) for worker in range(len(done))]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
equal(sorted(sum(done, [])), list(range(1000)), "what all workers have done")
equal(r.dbsize(), 0, "lists that are left")
