"""`python -I -S .../composer/supervisor/__main__.py CONFIG FD [held]`: see control.starting, runtime.launcher.warden.

Run by its path, without `site`: the directories of the few packages that are needed come with the configuration.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../.."))

    from composer.control.config import SupervisorConfig
    from composer.spec import codec

    config = codec.loads(SupervisorConfig, sys.argv[1])
    sys.path.extend(config.path)

    from composer.supervisor.lifetime import is_called
    from composer.supervisor.main import main

    descriptor = int(sys.argv[2])
    if sys.argv[3:] and not is_called(descriptor):
        sys.exit()
    sys.exit(main(config, descriptor=descriptor))
