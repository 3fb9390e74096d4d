"""A worker of a job queue as a process of its own, and the ledger in which its tasks note what they have done.

The ledger is a file, so that whatever the server tells, lost and doubled work is seen.
"""

import collections
import contextlib
import os
import subprocess
import sys
import tempfile

LEDGER = "LEDGER"  # The variable of the environment that names the ledger to workers.


def note(entry):
    """Adds a line to the ledger; whole lines, whoever writes beside."""
    ledger = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{entry}\n".encode())
    os.close(ledger)


def notes():
    """The ledger's lines."""
    with open(os.environ[LEDGER], encoding="utf-8") as ledger:
        return ledger.read().splitlines()


def all_was_done_once(wanted):
    """Ends the script unless the ledger has these lines and no others, in whatever order."""
    wanted, found = collections.Counter(wanted), collections.Counter(notes())
    if found != wanted:
        sys.exit(f"never done: {dict(wanted - found)}, done too often: {dict(found - wanted)}")


def new_ledger():
    """Makes an empty ledger for this script and the workers that it starts from now on."""
    folder = tempfile.TemporaryDirectory()
    os.environ[LEDGER] = os.path.join(folder.name, "ledger")
    open(os.environ[LEDGER], "x").close()
    return folder


@contextlib.contextmanager
def running(*module_and_arguments):
    """A worker: a module that Python runs, until the block ends. What it prints is shown if the block fails."""
    folder = os.path.join(os.path.dirname(__file__), "users")
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), folder])}
        process = subprocess.Popen(
            [sys.executable, "-m", *module_and_arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield process
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            process.kill()
            process.wait()


def end(process):
    """Asks a worker to finish what it has begun and to end; waits until it has."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        sys.exit("a worker does not end")
