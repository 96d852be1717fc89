"""A project: all that a set of Compose files says, once valid."""

from __future__ import annotations

from collections.abc import Mapping

from composer.model.job import Job
from composer.model.network import Network
from composer.model.part import Part
from composer.model.scalars import Integer, Text
from composer.model.service import Service
from composer.model.volume import Config, Secret, Volume


class LanguageModel(Part):
    """A top-level language model."""

    name: Text = ""
    model: Text
    context_size: Integer | None = None
    runtime_flags: tuple[Text, ...] = ()


class Project(Part):
    """A project. `working_dir` is absolute; `disabled_services` are those whose profiles are not active."""

    name: Text
    working_dir: Text
    compose_files: tuple[Text, ...] = ()
    profiles: tuple[Text, ...] = ()  # those active
    services: Mapping[str, Service] = {}
    disabled_services: Mapping[str, Service] = {}
    networks: Mapping[str, Network] = {}
    volumes: Mapping[str, Volume] = {}
    configs: Mapping[str, Config] = {}
    secrets: Mapping[str, Secret] = {}
    models: Mapping[str, LanguageModel] = {}
    jobs: Mapping[str, Job] = {}
