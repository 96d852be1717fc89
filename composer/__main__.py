"""`pycompose`, and `python -m composer`: imports nothing before Ctrl-C is understood."""

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def main() -> int:
    """Run the command line of this process; its exit status."""
    try:
        from composer.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
