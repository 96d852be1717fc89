"""`python -m composer` is `pycompose`."""

import sys

from composer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
