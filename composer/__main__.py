"""`pycompose`, and `python -m composer`: imports next to nothing before Ctrl-C is understood."""

import gc
import os
import sys

from composer import scarcity
from composer.hints import NoReturn

INTERRUPTED = 130  # 128 + SIGINT, as shells say it
# A command makes tens of thousands of objects that live until it ends (classes, trees of files); at the usual threshold
# of 700 they would all be walked again and again in search of cycles, for a tenth of the time of `config`.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> NoReturn:
    """Run the command line of this process, and end it: what Python would take down, the kernel does at once.

    That is a tenth of the time of most commands. Nothing waits for it: no thread, no file that is not closed.
    """
    status = _status()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # of standard output the command has told it already
    os._exit(status)


def _status() -> int:
    """The exit status of the command."""
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
    main()
