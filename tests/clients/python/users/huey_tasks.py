"""A huey application: two queues, one in the order of arrival and one by priority, and their tasks."""

import os

from huey import PriorityRedisHuey, RedisHuey

from worker import note

first_come = RedisHuey("first come", url=os.environ["SERVER"], notify_result=True, store_intermediate_errors=False)
by_priority = PriorityRedisHuey("by priority", url=os.environ["SERVER"], notify_result=True)


@first_come.task()
def add(a, b):
    note(f"add {a} {b}")
    return a + b


@first_come.task()
def total(numbers):
    note(f"total of {len(numbers)}")
    return sum(numbers)


@first_come.task(retries=2, context=True)
def flaky(failures, task=None):
    """Fails so often before it works."""
    note(f"flaky {failures}: {task.retries} attempts left")
    if 2 - task.retries < failures:
        raise ValueError("not yet")
    return "worked"


@first_come.task(retries=10_000)
@first_come.lock_task("the only one")
def alone(name):
    """Comes back to the queue when it finds the lock taken."""
    note(f"{name} begins")
    note(f"{name} ends")
    return name


@by_priority.task()
def urgent(name):
    note(name)
    return name
