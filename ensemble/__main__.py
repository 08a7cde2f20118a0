"""Where the command ``ensemble`` begins, and ``python -m ensemble``."""

from ensemble import interrupt


def main() -> None:
    """Load the command line, then be it: loading takes a fifth of a second, in which Ctrl-C may come."""
    interrupt.end_at_once()
    from ensemble.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
