"""Short → long: every place where the language allows two ways to say a thing, in one table.

It happens to each file by itself, before merging: two long forms merge by simple rules, where mixed ones need an
exception per place. No defaults are filled in here, or a later file could not tell them from what was said.
"""

from __future__ import annotations

from composer.loader import rewrites, short
from composer.loader.places import Places, Rewrite, Spot, for_jobs
from composer.loader.problems import Problems
from composer.loader.tree import Node

_FILE_REFERENCE = rewrites.items_wrapped("source")

PLACES: dict[str, Rewrite] = {
    "include": rewrites.items_wrapped("path"),
    "include.*.path": rewrites.one_or_list,
    "include.*.env_file": rewrites.one_or_list,
    "services.*": rewrites.service,
    "services.*.annotations": rewrites.labels,
    "services.*.build": rewrites.wrapped("context"),
    "services.*.build.additional_contexts": rewrites.labels,
    "services.*.build.args": rewrites.pairs,
    "services.*.build.extra_hosts": rewrites.hosts,
    "services.*.build.labels": rewrites.labels,
    "services.*.build.no_cache_filter": rewrites.one_or_list,
    "services.*.build.secrets": _FILE_REFERENCE,
    "services.*.build.ssh": rewrites.pairs,
    "services.*.build.ulimits.*": rewrites.wrapped("soft", "hard"),
    "services.*.command": rewrites.words,
    "services.*.configs": _FILE_REFERENCE,
    "services.*.depends_on": rewrites.names({"condition": "service_started", "required": True}),
    "services.*.deploy.labels": rewrites.labels,
    "services.*.deploy.resources.reservations.devices.*.count": rewrites.all_counted,
    "services.*.deploy.resources.reservations.devices.*.options": rewrites.pairs,
    "services.*.develop.watch.*.exec.command": rewrites.words,
    "services.*.develop.watch.*.exec.environment": rewrites.pairs,
    "services.*.develop.watch.*.ignore": rewrites.one_or_list,
    "services.*.develop.watch.*.include": rewrites.one_or_list,
    "services.*.devices": rewrites.each(short.device),
    "services.*.dns": rewrites.one_or_unique,
    "services.*.dns_search": rewrites.one_or_unique,
    "services.*.entrypoint": rewrites.words,
    "services.*.env_file": rewrites.each_wrapped("path"),
    "services.*.environment": rewrites.pairs,
    "services.*.extends": rewrites.wrapped("service"),
    "services.*.extra_hosts": rewrites.hosts,
    "services.*.gpus": rewrites.gpus,
    "services.*.gpus.*.count": rewrites.all_counted,
    "services.*.gpus.*.options": rewrites.pairs,
    "services.*.healthcheck.test": rewrites.test,
    "services.*.label_file": rewrites.one_or_unique,
    "services.*.labels": rewrites.labels,
    "services.*.logging.options": rewrites.log_options,
    "services.*.models": rewrites.attachments,
    "services.*.networks": rewrites.attachments,
    "services.*.ports": rewrites.ports,
    "services.*.post_start.*.command": rewrites.words,
    "services.*.post_start.*.environment": rewrites.pairs,
    "services.*.pre_start.*.command": rewrites.words,
    "services.*.pre_start.*.environment": rewrites.pairs,
    "services.*.pre_stop.*.command": rewrites.words,
    "services.*.pre_stop.*.environment": rewrites.pairs,
    "services.*.provider.options.*": rewrites.one_or_list,
    "services.*.secrets": _FILE_REFERENCE,
    "services.*.sysctls": rewrites.labels,
    "services.*.tmpfs": rewrites.one_or_unique,
    "services.*.ulimits.*": rewrites.wrapped("soft", "hard"),
    "services.*.volumes": rewrites.each(short.volume),
    "services.*.volumes.*.volume.labels": rewrites.labels,
    "networks.*": rewrites.external,
    "networks.*.labels": rewrites.labels,
    "volumes.*": rewrites.external,
    "volumes.*.labels": rewrites.labels,
    "configs.*": rewrites.external,
    "configs.*.labels": rewrites.labels,
    "secrets.*": rewrites.external,
    "secrets.*.labels": rewrites.labels,
}


_ONCE = (  # lists in which nothing is meant twice
    "services.*.cap_add",
    "services.*.cap_drop",
    "services.*.device_cgroup_rules",
    "services.*.dns_opt",
    "services.*.expose",
    "services.*.external_links",
    "services.*.group_add",
    "services.*.links",
    "services.*.profiles",
    "services.*.security_opt",
    "services.*.volumes_from",
)
_TABLE = Places(
    for_jobs(PLACES | dict.fromkeys(_ONCE, rewrites.unique))
    | {"jobs.*.triggers.schedule": rewrites.items_wrapped("cron")}
)


def long_form(node: Node, *, problems: Problems, literal: bool = False) -> Node:
    """`literal`: variables are still in the values; short forms that have some stay as they are."""
    return _TABLE.rewritten(node, Spot((), problems, literal))
