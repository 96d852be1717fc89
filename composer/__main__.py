"""`pycompose`, and `python -m composer`: imports next to nothing before Ctrl-C is understood."""

import gc
import sys

from composer import scarcity

INTERRUPTED = 130  # 128 + SIGINT, as shells say it
# A command makes tens of thousands of objects that live until it ends (classes, trees of files); at the usual threshold
# of 700 they would all be walked again and again in search of cycles, for a tenth of the time of `config`.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> int:
    """Run the command line of this process; its exit status."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        from composer.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit:
        raise
    except BaseException as error:  # not even an Exception: the panic of an extension that is written in Rust
        if scarcity.is_reason(error):
            scarcity.leave()
        raise


if __name__ == "__main__":
    sys.exit(main())
