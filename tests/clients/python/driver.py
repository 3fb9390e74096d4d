"""What the scripts beside this one share: how they are called, and how they ask for a restart of the server.

A script is called with host, port and password. Where it wants the server killed and started again it prints a line, and goes
on when it gets one.
"""

import signal
import sys
import time
from urllib.parse import quote

import redis


def target():
    """Host, port and password from the command line."""
    host, port, password = sys.argv[1:]
    return host, int(port), password


def connect(**options):
    """A client of the server, which gives and takes text."""
    host, port, password = target()
    return redis.Redis(host=host, port=port, password=password, **{"decode_responses": True, **options})


def url(database=0):
    """The same server as many programs want it said."""
    host, port, password = target()
    return f"redis://:{quote(password)}@{host}:{port}/{database}"


def restart_server():
    """Returns when the server was killed and started again, empty."""
    print("RESTART", flush=True)
    if not sys.stdin.readline():
        sys.exit("the driver has gone away")


def equal(got, wanted, what):
    """Ends the script unless both are the same."""
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def within(got, low, high, what):
    """Ends the script unless `low <= got <= high`."""
    if not low <= got <= high:
        sys.exit(f"{what}: got {got!r}, not in {low}..{high}")


def eventually(condition, what):
    """Returns when the condition holds; ends the script when it does not in a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.005)


def give_up_after(seconds):
    """Ends the script when it has not ended by itself by then: what it waits for will not come."""

    def too_late(*_):
        sys.exit(f"nothing more has happened after {seconds} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)


def fails(action, message, what):
    """Ends the script unless the server answers the action with this error."""
    try:
        got = action()
    except redis.ResponseError as error:
        equal(str(error), message, what)
    else:
        sys.exit(f"{what} worked: {got!r}")
