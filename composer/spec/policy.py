"""How one container is looked after: restarts, health, stopping, hooks. All times in nanoseconds."""

from __future__ import annotations

from composer.enums import Enum
from composer.frozen import frozen


class RestartCondition(Enum):
    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


@frozen
class RestartPolicy:
    """When an exited container is started again.

    With `delay_ns` None the delay is Docker's back-off (100 ms, doubled up to one minute, reset by a run of ten
    seconds); otherwise it is constant. `max_attempts` 0 is without end. With a `window_ns`, a run that lasted
    at least that long has succeeded: attempts are counted afresh.
    """

    condition: RestartCondition = RestartCondition.NO
    max_attempts: int = 0
    delay_ns: int | None = None
    window_ns: int | None = None


@frozen
class HealthCheck:
    """A probe and how its results are counted (Docker's rules)."""

    argv: tuple[str, ...]
    interval_ns: int = 30_000_000_000
    timeout_ns: int = 30_000_000_000
    start_period_ns: int = 0
    start_interval_ns: int = 5_000_000_000
    retries: int = 3


class OnUnhealthy(Enum):
    """What happens to a container that turned unhealthy (`x-on-unhealthy`)."""

    NONE = "none"
    RESTART = "restart"  # stop gracefully, start again, whatever the restart policy says
    STOP = "stop"  # stop gracefully and leave it stopped
    KILL = "kill"  # SIGKILL; the restart policy decides what follows


@frozen
class StopPolicy:
    """How a container is asked to end, and how long it may take. `grace_ns` None waits without end."""

    signal: int = 15
    grace_ns: int | None = 10_000_000_000


@frozen
class Hook:
    """A command run inside the running container after it has started or before it is stopped."""

    argv: tuple[str, ...]
    user: str = ""  # "" is the container's own user
    privileged: bool = False
    cwd: str = ""  # "" is the container's own
    env: tuple[tuple[str, str], ...] = ()  # added to the container's own


@frozen
class Policy:
    """Everything a keeper must know beside the container's spec."""

    restart: RestartPolicy = RestartPolicy()
    health: HealthCheck | None = None
    on_unhealthy: OnUnhealthy = OnUnhealthy.NONE
    stop: StopPolicy = StopPolicy()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
