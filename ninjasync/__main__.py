"""``python -m ninjasync`` and the console script."""

import gc
import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    # What is imported and what is read stays: to look for garbage cycles after each 700 objects, as Python
    # does by default, takes a tenth of the start.
    gc.set_threshold(200_000)
    # A thread whose answer has come waits no longer than this for one that computes, at each of its system calls:
    # by default that is 5 ms, so that fetching would take much longer than the services do.
    sys.setswitchinterval(0.0005)
    # Else pydantic looks through all packages that are installed for plugins, which would see every secret.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from ninjasync.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while it starts; nothing was begun
        sys.stderr.write("Error: Interrupted.\n")
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
