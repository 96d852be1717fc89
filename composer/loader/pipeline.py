"""Files → `model.Project`, or all their mistakes at once: the stages in order.

    discover → .env → parse → name → interpolate → long form → include → extends → merge → absolute paths
    → profiles → env_file → validate → rules → implicit dependencies → references → Project

The specification merges before it brings things into long form; the other way round gives the same project with simpler
rules. What a later file takes away again is checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from typing import Any, TypeAlias, TypeVar

from composer.errors import InvalidFile
from composer.frozen import field, mutable, replace
from composer.loader.assemble import Assembly, Sources
from composer.loader.codes import Code
from composer.loader.consulted import Consulted
from composer.loader.defaults import with_defaults
from composer.loader.discover import Found, discover, project_name
from composer.loader.environment import interpolation_environment, with_project_env
from composer.loader.files import Files
from composer.loader.handled import warn_of_unhandled
from composer.loader.interpolate import interpolate
from composer.loader.origin import Origin, refusal, told
from composer.loader.problems import Fatal, Path, Place, Problem, Problems
from composer.loader.profiles import active_profiles, active_services
from composer.loader.references import References, definitions_of, with_implicit_dependencies, without_inactive
from composer.loader.request import Loaded, LoadRequest
from composer.loader.rules import findings
from composer.loader.service_files import ServiceFiles
from composer.loader.shapes import misspelt
from composer.loader.top_level import Definition, check_definitions, check_top, with_names
from composer.loader.tree import Mapping, Node, Scalar, child, entries_at, place_of, place_of_key, plain
from composer.loader.validate import Validation
from composer.model.job import Job
from composer.model.network import Network
from composer.model.part import EXTENSIONS
from composer.model.project import LanguageModel, Project
from composer.model.service import Service
from composer.model.volume import Config, Secret, Volume

T = TypeVar("T")
Tree: TypeAlias = dict[str, Any]  # plain data as YAML and JSON have it


def load(request: LoadRequest) -> Loaded:
    """The project asked for. Raises InvalidFile with every mistake; FileNotFound, UsageError, HostError."""
    loading = _Loading(request, Files(request.cwd, request.stdin), Problems())
    project = loading.refusing(loading.project)
    warnings = told(loading.problems.warnings, files=loading.files)
    return Loaded(project, warnings, loading.environment, Origin(loading.root, loading.files))


def load_uninterpolated(request: LoadRequest) -> Tree:
    """What the files say with their variables as they are written. Raises as `load` does.

    Nobody can validate it: `${PORT}` may be a port or not. What is said of lists and mappings holds.
    """
    loading = _Loading(replace(request, interpolate=False), Files(request.cwd, request.stdin), Problems())
    return loading.refusing(loading.tree)


@mutable
class _Loading:
    request: LoadRequest
    files: Files
    problems: Problems
    environment: Consulted = field(default_factory=lambda: Consulted({}))
    root: Mapping = field(default_factory=lambda: Mapping({}, {}, Place("", 1, 1, 1, 1)))

    def refusal(self, *last: Problem) -> InvalidFile:
        return refusal(self.problems.errors, files=self.files, warnings=self.problems.warnings, last=last)

    def refusing(self, stage: Callable[[], T]) -> T:
        """What `stage` gives. Raises InvalidFile with every mistake it found."""
        try:
            result = stage()
        except Fatal as fatal:
            raise self.refusal(fatal.problem) from None
        if self.problems.errors:
            raise self.refusal()
        return result

    def project(self) -> Project:
        root, found, name = self._assembled()
        return self._read(root, found, name)

    def tree(self) -> Tree:
        """What all files say together, in long form where it can be, and not validated."""
        root, _, name = self._assembled()
        profiles = active_profiles(self.request, root, environment=self.environment)
        active = active_services(root, profiles)
        tree: Tree = plain(root) | {"name": name}
        services = tree.get("services")
        if isinstance(services, dict):
            tree["services"] = {key: service for key, service in services.items() if key in active}
        return tree

    def _assembled(self) -> tuple[Mapping, Found, str]:
        environment = interpolation_environment(self.request, files=self.files, problems=self.problems)
        found = discover(self.request, environment=environment, problems=self.problems)
        variables = with_project_env(
            self.request, environment, directory=found.directory, files=self.files, problems=self.problems
        )
        self.environment = Consulted(variables)
        assembly = Assembly(
            self.files,
            self.problems,
            interpolates=self.request.interpolate,
            resolves_paths=self.request.resolve_paths,
        )
        name = self._name(found, assembly)
        variables["COMPOSE_PROJECT_NAME"] = name
        root = assembly.tree(Sources(found.files, found.directory, self.environment))
        return root, found, name

    def _name(self, found: Found, assembly: Assembly) -> str:
        """Known before anything else is interpolated, as files may use it."""
        in_file: Node | None = None
        for path in found.files:
            for document in assembly.documents(path):
                in_file = child(document, "name") or in_file
        if in_file is not None:
            in_file = interpolate(in_file, self.environment.get, problems=Problems())  # told when the file is
        written = in_file.value if isinstance(in_file, Scalar) and isinstance(in_file.value, str) else None
        return project_name(self.request, environment=self.environment, in_file=written, directory=found.directory)

    def _read(self, root: Mapping, found: Found, name: str) -> Project:
        profiles = active_profiles(self.request, root, environment=self.environment)
        active = active_services(root, profiles)
        root = _mapping(
            with_defaults(
                root,
                directory=found.directory if self.request.resolve_paths else ".",
                normalize=self.request.normalize,
                problems=self.problems,
            )
        )
        files = ServiceFiles(self.environment, found.directory, self.files, self.problems)
        root = files.filled(root, active=active if self.request.resolve_environment else frozenset())
        root = check_top(root, problems=self.problems)
        check_definitions(root, problems=self.problems)
        self.root = root
        validation = Validation(root, self.problems)
        services = validation.parts("services", Service, nullable=False)
        if self.request.normalize:
            services = {key: with_implicit_dependencies(service) for key, service in services.items()}
        project = Project(
            name=name,
            working_dir=found.directory,
            compose_files=found.files,
            profiles=profiles,
            services={key: without_inactive(service, active) for key, service in services.items() if key in active},
            disabled_services={key: service for key, service in services.items() if key not in active},
            networks=self._named(validation.parts("networks", Network), name),
            volumes=self._named(validation.parts("volumes", Volume), name),
            configs=self._named(validation.parts("configs", Config, nullable=False), name),
            secrets=self._named(validation.parts("secrets", Secret, nullable=False), name),
            models=validation.parts("models", LanguageModel, nullable=False),
            jobs=validation.parts("jobs", Job, nullable=False),
            **{EXTENSIONS: plain(root.entries[EXTENSIONS])},
        )
        self._check(services, project.jobs, root, active=active, pruned=frozenset(validation.pruned))
        if not self.problems.errors:
            warn_of_unhandled(root, active=active, problems=self.problems)
        return project

    def _named(self, parts: Table[str, Definition], project: str) -> Table[str, Definition]:
        return with_names(parts, project=project) if self.request.normalize else parts

    def _check(
        self,
        services: dict[str, Service],
        jobs: Table[str, Job],
        root: Mapping,
        *,
        active: frozenset[str],
        pruned: frozenset[Path],
    ) -> None:
        for name, job in jobs.items():
            if job.triggers.manual is None and not job.triggers.schedule:
                where: Path = ("jobs", name, "triggers")
                hint = "write manual: true, or schedule: and when"
                self.problems.error(
                    Code.MISSING_KEY, "nothing triggers the job", at=place_of_key(root, where), path=where, hint=hint
                )
        for name, service in services.items():
            self._check_rules(service, root)
            if name in active:
                self._check_rootfs(service, root, pruned)
        if not self.request.consistency:
            return
        References(
            root,
            definitions_of(root),
            active={name: service for name, service in services.items() if name in active},
            inactive={name: service for name, service in services.items() if name not in active},
            pruned=pruned,
            problems=self.problems,
        ).check()

    def _check_rules(self, service: Service, root: Mapping) -> None:
        for finding in findings(service):
            path: Path = ("services", service.name, *finding.path)
            place = place_of_key(root, path) if finding.of_key else place_of(root, path)
            problem = Problem(finding.code, finding.message, place, path, finding.hint, finding.severity)
            self.problems.add(problem)

    def _check_rootfs(self, service: Service, root: Mapping, pruned: frozenset[Path]) -> None:
        """A file that says what to run, and not from where, is valid; it cannot be run by us."""
        path: Path = ("services", service.name)
        if (
            service.rootfs
            or service.provider
            or pruned & {(*path, key) for key in ("rootfs", "image", "build", "provider")}
        ):
            return
        if not (service.image or service.build):
            message = "the service has no rootfs, image or build"
        elif self.request.require_rootfs:
            message = "the service has no rootfs; images are not supported yet"
        else:
            return
        if any(misspelt(key) == "rootfs" for key, _ in entries_at(root, *path)):
            return  # told already
        hint = 'write rootfs: with a directory, a tar archive, or "/" for the host\'s own root'
        self.problems.error(Code.NO_ROOTFS, message, at=place_of_key(root, path), path=path, hint=hint)


def _mapping(node: Node) -> Mapping:
    assert isinstance(node, Mapping)  # a stage never changes the kind of the root
    return node
