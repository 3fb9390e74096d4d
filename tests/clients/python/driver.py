"""What the scripts beside this one share: how they are called, and how they ask for a restart of the server.

A script is called with host, port and password. Where it wants the server killed and started again it prints a line, and goes
on when it gets one.
"""

import sys


def target():
    """Host, port and password from the command line."""
    host, port, password = sys.argv[1:]
    return host, int(port), password


def restart_server():
    """Returns when the server was killed and started again, empty."""
    print("RESTART", flush=True)
    if not sys.stdin.readline():
        sys.exit("the driver has gone away")


def equal(got, wanted, what):
    """Ends the script unless both are the same."""
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")
