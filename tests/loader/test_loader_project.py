"""From files to a project: what each stage does to what is written."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from composer.errors import FileNotFound, InvalidFile, UsageError
from composer.loader.canonical import canonical
from composer.loader.codes import Code
from composer.loader.pipeline import load
from composer.loader.request import LoadRequest
from composer.model.hook import Condition, Dependency
from composer.model.project import Project
from composer.model.service import Service
from tests.loader.loading import loaded, problems_of, told, write


def web(directory: Path, *keys: str, **changes: object) -> Service:
    text = "".join(f"{line}\n" for line in ("services:", "  web:", "    rootfs: /", *(f"    {key}" for key in keys)))
    return loaded(directory, text, **changes).project.services["web"]


def project(directory: Path, written: dict[str, str], **changes: object) -> Project:
    return load(replace(write(directory, written), **changes)).project  # type: ignore[arg-type]  # LoadRequest's fields


# ---- short and long ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("command: a 'b c' $$HOME", "command: [a, b c, $$HOME]"),
        ("healthcheck: {test: a b}", "healthcheck: {test: [CMD-SHELL, a b]}"),
        ("environment: [A=1, B=, C=x=y]", "environment: {A: '1', B: '', C: x=y}"),
        ("environment: {A: 1, B: true, C: 1.0, D: 010}", "environment: {A: '1', B: 'true', C: '1', D: '8'}"),
        ("labels: [a, b=c]", "labels: {a: '', b: c}"),
        ("dns: 1.1.1.1", "dns: [1.1.1.1]"),
        ("tmpfs: /run", "tmpfs: [/run]"),
        ("ulimits: {nproc: 5}", "ulimits: {nproc: {soft: 5, hard: 5}}"),
        ("extra_hosts: ['a:::1', b=10.0.0.1, 'b=[::2]']", "extra_hosts: {a: ['::1'], b: [10.0.0.1, '::2']}"),
        ("devices: [/dev/null]", "devices: [{source: /dev/null, target: /dev/null, permissions: rwm}]"),
        ("devices: ['/dev/a:/dev/b:r']", "devices: [{source: /dev/a, target: /dev/b, permissions: r}]"),
        ("volumes: [/data]", "volumes: [{type: volume, target: /data, volume: {}}]"),
        (
            "volumes: ['/a:/b:ro,z']",
            "volumes: [{type: bind, source: /a, target: /b, read_only: true, bind: {selinux: z}}]",
        ),
        ("volumes: ['./a:/b/.']", "volumes: [{type: bind, source: a, target: /b, bind: {create_host_path: true}}]"),
        ("volumes: ['~/a:/b']", "volumes: [{type: bind, source: /home/me/a, target: /b, bind: {}}]"),
        ("ports: ['80']", "ports: [{target: 80}]"),
        ("ports: [80]", "ports: [{target: 80}]"),
        ("ports: ['127.0.0.1::80/UDP']", "ports: [{target: 80, host_ip: 127.0.0.1, protocol: udp}]"),
        ("ports: ['[::1]:81:80']", "ports: [{target: 80, published: 81, host_ip: '::1'}]"),
        ("ports: ['::1:81:80']", "ports: [{target: 80, published: 81, host_ip: '::1'}]"),
        ("ports: ['81-82:80-81']", "ports: [{target: 80, published: 81}, {target: 81, published: 82}]"),
        ("ports: ['8000-9000:80']", "ports: [{target: 80, published: 8000-9000}]"),
        ("env_file: [{path: none, required: false}]", "env_file: {path: none, required: no}"),
        ("logging: {options: {max-size: 1k, tag: x}}", "logging: {options: {tag: x, max-size: '1000'}}"),
        (
            "logging: {options: {compress: true, mode: non-blocking}}",
            "logging: {options: {compress: 'true', mode: non-blocking}}",
        ),
        ("gpus: all", "gpus: [{count: -1}]"),
        ("x-rootfs: /", "rootfs: /"),
    ],
)
def test_short_and_long_forms_mean_the_same(tmp_path: Path, short: str, long: str) -> None:
    if "rootfs" in long:
        texts = [f"services: {{web: {{{line}}}}}" for line in (short, long)]
        services = [loaded(tmp_path, text).project.services["web"] for text in texts]
    else:
        if "env_file: {" in long:
            long = long.replace("{", "[{").replace("}", "}]")
        services = [web(tmp_path, line, environment={"HOME": "/home/me"}) for line in (short, long)]
    assert services[0] == services[1]


# ---- paths ---------------------------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    service = web(tmp_path, "volumes: ['../a:/a']", "security_opt: ['seccomp=p.json']")
    assert service.volumes[0].source == str(tmp_path.parent / "a")
    assert service.security_opt[0].value == str(tmp_path / "p.json")


def test_rootfs_is_relative_to_the_project(tmp_path: Path) -> None:
    text = "services: {web: {rootfs: rootfs.tar}}"
    assert loaded(tmp_path, text).project.services["web"].rootfs == str(tmp_path / "rootfs.tar")
    elsewhere = loaded(tmp_path, text, files=("compose.yaml",), project_directory="/srv").project
    assert (elsewhere.services["web"].rootfs, elsewhere.working_dir) == ("/srv/rootfs.tar", "/srv")


# ---- variables -----------------------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    files = {".env": "A=file\nB=file\n", "compose.yaml": "services: {web: {rootfs: /, labels: {a: $A, b: $B}}}"}
    labels = project(tmp_path, files, environment={"A": "process"}).services["web"].labels
    assert labels == {"a": "process", "b": "file"}


def test_named_env_files_replace_the_default_one(tmp_path: Path) -> None:
    files = {
        ".env": "A=default\n",
        "one.env": "A=1\nB=1\n",
        "two.env": "B=2$A\n",
        "compose.yaml": "services: {web: {rootfs: /, labels: {a: $A, b: $B}}}",
    }
    labels = project(tmp_path, files, env_files=("one.env", "two.env")).services["web"].labels
    assert labels == {"a": "1", "b": "21"}


def test_a_missing_env_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFound, match="cannot read the env file none"):
        loaded(tmp_path, "services: {}", env_files=("none",))


def test_typed_keys_take_variables(tmp_path: Path) -> None:
    service = web(tmp_path, "scale: ${N}", "tty: $T", "cpus: ${C:-0.5}", environment={"N": "3", "T": "true"})
    assert (service.scale, service.tty, service.cpus) == (3, True, 0.5)


def test_keys_are_no_templates(tmp_path: Path) -> None:
    assert web(tmp_path, "labels: {$A: x}").labels == {"$A": "x"}


def test_the_project_name_is_a_variable(tmp_path: Path) -> None:
    text = "name: $N\nservices: {web: {rootfs: /, hostname: $COMPOSE_PROJECT_NAME}}"
    found = loaded(tmp_path, text, environment={"N": "Shop 1"}).project
    assert (found.name, found.services["web"].hostname) == ("shop1", "shop1")


# ---- environment files of services ----------------------------------------------------------------------------------


def test_environment_wins_over_env_file_and_null_unsets(tmp_path: Path) -> None:
    files = {
        "a.env": "A=file\nB=file\nC=file\nD=$H-$X\n",
        "b.env": "B=later\nX=file\n",
        "c.env": "Q=$X\n",
        "compose.yaml": """
            services:
              web:
                rootfs: /
                env_file: [a.env, b.env, c.env, {path: none.env, required: false}]
                environment: {A: said, C: , H: , X: own}
            """,
    }
    environment = project(tmp_path, files, environment={"H": "home"}).services["web"].environment
    assert environment == {"A": "said", "B": "later", "D": "home-own", "H": "home", "X": "own", "Q": "own", "C": None}


def test_hooks_inherit_names_without_a_value(tmp_path: Path) -> None:
    service = web(tmp_path, "post_start: [{command: x, environment: [H, NONE, A=1]}]", environment={"H": "home"})
    assert service.post_start[0].environment == {"H": "home", "A": "1"}


def test_label_files_are_read(tmp_path: Path) -> None:
    files = {"l": "a=1\nb=1\n", "compose.yaml": "services: {web: {rootfs: /, label_file: l, labels: {b: '2'}}}"}
    assert project(tmp_path, files).services["web"].labels == {"a": "1", "b": "2"}


def test_files_of_inactive_services_need_not_be_there(tmp_path: Path) -> None:
    text = "services: {web: {rootfs: /}, off: {rootfs: /, profiles: [x], env_file: none}}"
    assert loaded(tmp_path, text).project.services.keys() == {"web"}


# ---- several files --------------------------------------------------------------------------------------------------

BASE = """
    services:
      web:
        rootfs: /
        command: [a, b]
        environment: {A: 1, B: 1}
        cap_add: [NET_ADMIN]
        ports: ["80:80"]
        volumes: ["/a:/x", "/b:/y"]
        healthcheck: {test: a, interval: 1s}
        ulimits: {nofile: {soft: 1, hard: 2}}
        logging: {driver: json-file, options: {max-size: 1m, max-file: "2"}}
        depends_on: [db]
        restart: always
      db: {rootfs: /}
    """
OVER = """
    services:
      web:
        command: c
        environment: [B=2, C=3]
        cap_add: [NET_ADMIN, SYS_TIME]
        ports: ["80:80", "81:80"]
        volumes: ["/c:/x:ro"]
        healthcheck: {test: [CMD, b]}
        ulimits: {nofile: 5}
        logging: {options: {max-size: 2m}}
        depends_on: {db: {condition: service_completed_successfully}}
        restart:
        x-mine: 1
    """


def test_an_override_file_is_merged(tmp_path: Path) -> None:
    service = project(tmp_path, {"compose.yaml": BASE, "compose.override.yml": OVER}).services["web"]
    assert service.command == ("c",)
    assert service.environment == {"A": "1", "B": "2", "C": "3"}
    assert service.cap_add == ("NET_ADMIN", "SYS_TIME")
    assert [(str(port.published), port.target) for port in service.ports] == [("80", 80), ("81", 80)]
    assert [(volume.source, volume.target, volume.read_only) for volume in service.volumes] == [
        ("/c", "/x", True),
        ("/b", "/y", False),
    ]
    assert service.healthcheck is not None
    assert (service.healthcheck.test, str(service.healthcheck.interval)) == (("CMD", "b"), "1s")
    assert (service.ulimits["nofile"].soft, service.ulimits["nofile"].hard) == (5, 5)
    assert service.logging is not None
    assert (service.logging.options.max_size, service.logging.options.max_file) == (2_000_000, 2)
    assert service.depends_on == {"db": Dependency(condition=Condition.COMPLETED)}
    assert str(service.restart) == "always"
    assert service.extensions == {"x-mine": 1}


def test_named_files_come_without_the_override(tmp_path: Path) -> None:
    files = {"compose.yaml": BASE, "compose.override.yml": OVER}
    assert project(tmp_path, files, files=("compose.yaml",)).services["web"].command == ("a", "b")


def test_documents_of_one_file_are_merged(tmp_path: Path) -> None:
    found = project(tmp_path, {"compose.yaml": f"{dedent(BASE)}---\n{dedent(OVER)}"})
    assert found.services["web"].command == ("c",)


def test_reset_removes_and_override_replaces(tmp_path: Path) -> None:
    over = """
        services:
          web:
            ports: !reset []
            restart: !reset null
            environment: !override {Z: 1}
            depends_on: !reset {}
          db: !reset null
        """
    found = project(tmp_path, {"compose.yaml": BASE, "compose.override.yaml": over})
    service = found.services["web"]
    assert (service.ports, service.restart, service.environment, list(found.services)) == (
        (),
        None,
        {"Z": "1"},
        ["web"],
    )


def test_what_was_empty_takes_what_comes(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "services: {web: {rootfs: /, labels: , command: }}\nvolumes: {data: }",
        "compose.override.yaml": "services: {web: {labels: {a: b}, command: x}}\nvolumes: {data: {name: d}}",
    }
    found = project(tmp_path, files)
    assert (found.services["web"].labels, found.services["web"].command) == ({"a": "b"}, ("x",))
    assert found.volumes["data"].name == "d"


def test_pools_of_one_subnet_are_merged(tmp_path: Path) -> None:
    files = {
        "compose.yaml": """
            services: {w: {rootfs: /}}
            networks: {n: {ipam: {config: [{subnet: 10.0.0.0/16, gateway: 10.0.0.1}]}}}
            """,
        "compose.override.yaml": """
            networks: {n: {ipam: {config: [{subnet: 10.0.0.0/16, ip_range: 10.0.1.0/24}, {subnet: "fd::/64"}]}}}
            """,
    }
    ipam = project(tmp_path, files).networks["n"].ipam
    assert ipam is not None
    assert [(pool.subnet, pool.gateway, pool.ip_range) for pool in ipam.config] == [
        ("10.0.0.0/16", "10.0.0.1", "10.0.1.0/24"),
        ("fd::/64", None, None),
    ]


def test_another_logging_driver_brings_its_own_options(tmp_path: Path) -> None:
    over = "services: {web: {logging: {driver: local}}}"
    logging = project(tmp_path, {"compose.yaml": BASE, "compose.override.yaml": over}).services["web"].logging
    assert logging is not None
    assert (logging.driver, logging.options.max_size) == ("local", None)


def test_a_mistake_is_told_in_the_file_it_comes_from(tmp_path: Path) -> None:
    over = "services:\n  web:\n    mem_limit: lots\n    healthcheck: [x]\n"
    request = write(tmp_path, {"compose.yaml": BASE, "compose.override.yaml": over})
    assert [str(problem) for problem in problems_of(request)] == [
        "compose.override.yaml:3:16: services.web.mem_limit: "
        '"lots" is not a size (write a number of bytes or use a unit: 512k, 64m, 1.5g)',
        "compose.override.yaml:4:18: services.web.healthcheck: this is a list, and what it would change is a mapping "
        "(compose.yaml:10:18) (write a mapping, or !override before the value to replace the other)",
    ]


# ---- extends and include --------------------------------------------------------------------------------------------


def test_extends_lays_a_service_over_another(tmp_path: Path) -> None:
    files = {
        "compose.yaml": """
            services:
              web: {extends: {file: base/base.yaml, service: top}, environment: {B: 2}}
            """,
        "base/base.yaml": """
            services:
              top: {extends: bottom, environment: {A: 1, B: 1}, volumes: ["./data:/data"]}
              bottom: {rootfs: ./root, command: x}
            """,
    }
    service = project(tmp_path, files).services["web"]
    assert service.environment == {"A": "1", "B": "2"}
    assert service.command == ("x",)
    assert (service.rootfs, service.volumes[0].source) == (str(tmp_path / "base/root"), str(tmp_path / "base/data"))


def test_a_chain_of_extends_has_an_end(tmp_path: Path) -> None:
    text = "services:\n  s0: {rootfs: /}\n" + "".join(f"  s{n}: {{extends: s{n - 1}}}\n" for n in range(1, 300))
    assert "more than 100 services extend each other" in told(tmp_path, text)[0]


def test_an_included_project_has_its_own_directory_and_env(tmp_path: Path) -> None:
    files = {
        ".env": "V=local\n",
        "compose.yaml": """
            include: [sub/compose.yaml, {path: [one.yaml, two.yaml], env_file: extra.env}]
            services: {web: {rootfs: /, depends_on: [db]}}
            """,
        "sub/.env": "V=sub\nW=sub\n",
        "sub/compose.yaml": "name: other\nservices: {db: {rootfs: ./root, labels: {v: $V, w: $W}}}",
        "one.yaml": "services: {job: {rootfs: /, command: one, hostname: $E}}",
        "two.yaml": "services: {job: {command: two}}",
        "extra.env": "E=extra\n",
    }
    found = project(tmp_path, files)
    assert found.name == tmp_path.name.lower().replace(".", "")
    assert found.services["db"].rootfs == str(tmp_path / "sub/root")
    assert found.services["db"].labels == {"v": "local", "w": "sub"}
    assert (found.services["job"].command, found.services["job"].hostname) == (("two",), "extra")


# ---- discovery and names --------------------------------------------------------------------------------------------


def test_the_nearest_file_upward_is_found(tmp_path: Path) -> None:
    request = write(tmp_path, {"docker-compose.yml": "services: {web: {rootfs: /}}", "a/b/x": ""})
    found = load(replace(request, cwd=str(tmp_path / "a/b"))).project
    assert (found.working_dir, found.compose_files) == (str(tmp_path), (str(tmp_path / "docker-compose.yml"),))


def test_of_several_files_one_is_used_and_told(tmp_path: Path) -> None:
    request = write(tmp_path, {"compose.yaml": "services: {web: {rootfs: /}}", "docker-compose.yml": "services: {}"})
    (warning,) = load(request).warnings
    assert warning.message == "several Compose files are here: compose.yaml, docker-compose.yml"


def test_files_come_from_the_environment(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {web: {rootfs: /}}",
        "b.yaml": "services: {db: {rootfs: /}}",
        ".env": "COMPOSE_FILE=a.yaml\n",
    }
    assert list(project(tmp_path, files).services) == ["web"]
    environment = {"COMPOSE_FILE": "a.yaml,b.yaml", "COMPOSE_PATH_SEPARATOR": ","}
    assert list(project(tmp_path, files, environment=environment).services) == ["web", "db"]


def test_a_file_may_come_from_stdin(tmp_path: Path) -> None:
    request = LoadRequest(cwd=str(tmp_path), files=("-",), stdin=io.StringIO("services: {web: {rootfs: r}}"))
    assert load(request).project.services["web"].rootfs == str(tmp_path / "r")


def test_no_file_at_all_is_told() -> None:
    with pytest.raises(FileNotFound, match="cannot find a Compose file in /proc/self or above it"):
        load(LoadRequest(cwd="/proc/self"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFound, match=r"cannot read the Compose file none\.yaml: there is no such file"):
        load(LoadRequest(cwd=str(tmp_path), files=("none.yaml",)))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"project_name": "flag", "environment": {"COMPOSE_PROJECT_NAME": "env"}}, "flag"),
        ({"environment": {"COMPOSE_PROJECT_NAME": "env"}}, "env"),
        ({}, "myapp_1"),
    ],
)
def test_the_project_has_a_name(tmp_path: Path, changes: dict[str, object], name: str) -> None:
    text = "name: My.App_1\nservices: {web: {rootfs: /}}"
    assert loaded(tmp_path, text, **changes).project.name == name


def test_a_directory_lends_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "_My Shop!"
    directory.mkdir()
    assert loaded(directory, "services: {web: {rootfs: /}}").project.name == "myshop"


def test_a_bad_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='cannot use "My Project!" of -p as project name'):
        loaded(tmp_path, "services: {web: {rootfs: /}}", project_name="My Project!")


# ---- profiles and dependencies --------------------------------------------------------------------------------------

PROFILES = """
    services:
      web: {rootfs: /, depends_on: {debug: {condition: service_started, required: false}}}
      debug: {rootfs: /, profiles: [debug]}
      test: {rootfs: /, profiles: [test, debug]}
    """


@pytest.mark.parametrize(
    ("changes", "services"),
    [
        ({}, ["web"]),
        ({"profiles": ("debug",)}, ["web", "debug", "test"]),
        ({"profiles": ("test",)}, ["web", "test"]),
        ({"profiles": ("*",)}, ["web", "debug", "test"]),
        ({"environment": {"COMPOSE_PROFILES": "test"}}, ["web", "test"]),
        ({"services": ("test",)}, ["web", "debug", "test"]),
    ],
)
def test_profiles(tmp_path: Path, changes: dict[str, object], services: list[str]) -> None:
    found = loaded(tmp_path, PROFILES, **changes).project
    assert list(found.services) == services
    assert set(found.services) | set(found.disabled_services) == {"web", "debug", "test"}


def test_a_dependency_that_may_be_absent_is_dropped(tmp_path: Path) -> None:
    assert loaded(tmp_path, PROFILES).project.services["web"].depends_on == {}


def test_shared_namespaces_are_dependencies(tmp_path: Path) -> None:
    text = """
        services:
          web: {rootfs: /, network_mode: "service:db", links: ["cache:c"], volumes_from: [disk]}
          db: {rootfs: /}
          cache: {rootfs: /}
          disk: {rootfs: /}
        """
    dependencies = loaded(tmp_path, text).project.services["web"].depends_on
    assert {name: dependency.restart for name, dependency in dependencies.items()} == {
        "db": True,
        "cache": True,
        "disk": False,
    }


# ---- refusal --------------------------------------------------------------------------------------------------------


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    text = (
        "services:\n  a: {rootfs: /, imge: x, prts: y, depends_on: [c]}\n  b: {rootfs: /, cpus: x, volumes: [v:/v]}\n"
    )
    with pytest.raises(InvalidFile, match=r"cannot use compose\.yaml: 5 mistakes") as refusal:
        loaded(tmp_path, text)
    assert len(refusal.value.problems) == 5


def test_problems_carry_their_line(tmp_path: Path) -> None:
    (problem,) = problems_of(write(tmp_path, {"compose.yaml": "services:\n  web: {rootfs: /, tty: x}\n"}))
    assert (problem.source, problem.notation, problem.code) == (
        "  web: {rootfs: /, tty: x}",
        "services.web.tty",
        Code.WRONG_TYPE,
    )


def test_problems_cannot_steer_a_terminal(tmp_path: Path) -> None:
    lines = told(tmp_path, 'services: {web: {rootfs: /, "\\e[31m": 1, restart: "\\e[2J%s"}}' % ("x" * 1000))
    assert len(lines) == 2
    assert all(line.isprintable() and len(line) < 1000 for line in lines)
    assert "\\x1b[31m" in lines[0]


def test_a_rootfs_can_be_left_out_where_nothing_runs(tmp_path: Path) -> None:
    assert loaded(tmp_path, "services: {web: {image: x}}", require_rootfs=False).project.services["web"].image == "x"


# ---- canonical ------------------------------------------------------------------------------------------------------


def test_the_canonical_form_loads_to_the_same_project(tmp_path: Path) -> None:
    first = project(tmp_path, {"compose.yaml": BASE, "compose.override.yaml": OVER})
    text = yaml.safe_dump(canonical(first), sort_keys=False)
    (tmp_path / "again.yaml").write_text(text)
    again = load(LoadRequest(cwd=str(tmp_path), files=("again.yaml",))).project
    assert canonical(again) == canonical(first)


def test_the_canonical_form(tmp_path: Path) -> None:
    text = """
        services:
          web: {rootfs: /, mem_limit: 1m, ports: ["81:80"], depends_on: [db], command: "a $$b", x-mine: 1}
          db: {rootfs: /, network_mode: host}
        x-top: [1]
        """
    assert canonical(loaded(tmp_path, text, project_name="p").project) == {
        "name": "p",
        "services": {
            "db": {"command": None, "entrypoint": None, "network_mode": "host", "rootfs": "/"},
            "web": {
                "command": ["a", "$$b"],
                "entrypoint": None,
                "depends_on": {"db": {"condition": "service_started", "required": True}},
                "mem_limit": "1048576",
                "networks": {"default": None},
                "ports": [{"mode": "ingress", "protocol": "tcp", "published": "81", "target": 80}],
                "rootfs": "/",
                "x-mine": 1,
            },
        },
        "networks": {"default": {"name": "p_default", "ipam": {}}},
        "x-top": [1],
    }
