"""The command `dynloss`, which says what it lacks."""

import sys


def main() -> None:
    """`engine.cli`, where what it needs is installed."""
    try:
        from dynloss_book.engine import cli
    except ModuleNotFoundError as error:
        sys.exit(f"dynloss: the command needs {error.name}: pip install 'dynloss[notebooks]'")
    cli.main()
