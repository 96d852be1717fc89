"""How a service's containers are looked after: restarts, health, stopping, hooks."""

from __future__ import annotations

from composer.model import choices, deploy, health, hook
from composer.model.scalars import Duration
from composer.model.service import Service
from composer.spec.policy import (
    HealthCheck,
    Hook,
    OnUnhealthy,
    Policy,
    RestartCondition,
    RestartPolicy,
    StopPolicy,
)


def lower(service: Service) -> Policy:
    return Policy(
        restart=restart(service),
        health=health_check(service.healthcheck),
        on_unhealthy=OnUnhealthy(service.x_on_unhealthy.value),
        stop=stop(service),
        post_start=tuple(map(_hook, service.post_start)),
        pre_stop=tuple(map(_hook, service.pre_stop)),
    )


def restart(service: Service) -> RestartPolicy:
    """`deploy.restart_policy` comes before `restart`, as with docker compose."""
    if service.deploy is not None and service.deploy.restart_policy is not None:
        return _deployed(service.deploy.restart_policy)
    said = service.restart or choices.Restart()
    return RestartPolicy(RestartCondition(said.when.value), max_attempts=said.max_retries or 0)


_CONDITIONS = {
    None: RestartCondition.ALWAYS,
    deploy.RestartCondition.ANY: RestartCondition.ALWAYS,
    deploy.RestartCondition.ON_FAILURE: RestartCondition.ON_FAILURE,
    deploy.RestartCondition.NONE: RestartCondition.NO,
}


def _deployed(said: deploy.DeployRestartPolicy) -> RestartPolicy:
    """A delay or window of zero is what the specification takes for said by silence; the back-off is Docker's then."""
    return RestartPolicy(
        _CONDITIONS[said.condition],
        max_attempts=said.max_attempts or 0,
        delay_ns=_nanoseconds(said.delay),
        window_ns=_nanoseconds(said.window),
    )


def health_check(said: health.Healthcheck | None) -> HealthCheck | None:
    """Zero stands for the default, as with Docker. Without a test there is no check: no image has one either."""
    if said is None or said.disable or not said.test or said.test[0] == "NONE":
        return None
    default = HealthCheck(_probe(said.test))
    return HealthCheck(
        default.argv,
        interval_ns=_nanoseconds(said.interval) or default.interval_ns,
        timeout_ns=_nanoseconds(said.timeout) or default.timeout_ns,
        start_period_ns=_nanoseconds(said.start_period) or default.start_period_ns,
        start_interval_ns=_nanoseconds(said.start_interval) or default.start_interval_ns,
        retries=said.retries or default.retries,
    )


def _probe(test: tuple[str, ...]) -> tuple[str, ...]:
    kind, *words = test
    return ("/bin/sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)


def stop(service: Service) -> StopPolicy:
    default = StopPolicy()
    return StopPolicy(
        signal=service.stop_signal.number if service.stop_signal else default.signal,
        grace_ns=service.stop_grace_period.nanoseconds if service.stop_grace_period else default.grace_ns,
    )


def _hook(said: hook.Hook) -> Hook:
    return Hook(
        argv=said.command,
        user=str(said.user or ""),
        privileged=said.privileged,
        cwd=said.working_dir or "",
        env=tuple(said.environment.items()),
    )


def _nanoseconds(duration: Duration | None) -> int | None:
    """None for what is not said, and for zero."""
    return duration.nanoseconds or None if duration else None
