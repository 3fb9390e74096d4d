"""What the scripts beside this one share: how they are called, and how they ask for a restart of the server.

A script is called with host, port and password. Where it wants the server killed and started again it prints a line, and goes
on when it gets one.
"""

import sys

import redis


def target():
    """Host, port and password from the command line."""
    host, port, password = sys.argv[1:]
    return host, int(port), password


def connect(**options):
    """A client of the server, which gives and takes text."""
    host, port, password = target()
    return redis.Redis(host=host, port=port, password=password, **{"decode_responses": True, **options})


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


def fails(action, message, what):
    """Ends the script unless the server answers the action with this error."""
    try:
        got = action()
    except redis.ResponseError as error:
        equal(str(error), message, what)
    else:
        sys.exit(f"{what} worked: {got!r}")
