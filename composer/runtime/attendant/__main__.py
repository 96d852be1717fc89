"""`python -I -S .../composer/runtime/attendant/__main__.py CONFIG`: see spawn."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))

    from composer.runtime.attendant.process import Config, main
    from composer.spec import codec

    main(codec.loads(Config, sys.argv[1]))
