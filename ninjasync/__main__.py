"""``python -m ninjasync`` and the console script."""

import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    from ninjasync.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
