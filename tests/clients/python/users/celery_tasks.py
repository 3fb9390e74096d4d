"""A Celery application: its tasks, and where its broker and its results are."""

import os

from celery import Celery

from worker import note

app = Celery("shop", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(
    task_default_queue="orders",
    task_track_started=True,
    worker_prefetch_multiplier=1,
    result_expires=600,
    broker_connection_retry_on_startup=True,
)


@app.task
def add(a, b):
    note(f"add {a} {b}")
    return a + b


@app.task
def total(numbers):
    note("total")
    return sum(numbers)


@app.task
def log(entry):
    note(entry)


@app.task(bind=True, max_retries=3)
def flaky(self, failures):
    """Fails so often before it works."""
    note(f"flaky {failures}: attempt {self.request.retries}")
    if self.request.retries < failures:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def broken():
    note("broken")
    raise ValueError("no such article")
