"""`python -I -S .../composer/runtime/launcher/__main__.py CONFIG`: see spawn.

Run by its path, without `site`: the package's own directory is all that is added to the path of the standard library.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))

    from composer.runtime.launcher.config import Config
    from composer.runtime.launcher.process import main
    from composer.spec import codec

    main(codec.loads(Config, sys.argv[1]))
    os._exit(0)  # whoever waits for us waits for the kernel alone, and not for Python to take everything down
