"""Where a project's cgroups go."""

from __future__ import annotations

import pytest

from composer.errors import PycomposeError
from composer.runtime.cgroup.location import Location, Site, Tree, World, choose, container_path, escape


@pytest.mark.parametrize(
    ("systemd", "root_writable", "own_writable", "site"),
    [
        (True, True, True, Site.SCOPE),  # root, and yet: the tree is systemd's
        (True, False, False, Site.SCOPE),  # an ordinary user with a manager of the session
        (False, True, True, Site.ROOT),
        (False, False, True, Site.OWN),
        (False, False, False, Site.NOWHERE),
    ],
)
def test_the_place_in_the_v2_tree(systemd: bool, root_writable: bool, own_writable: bool, site: Site) -> None:
    assert choose(World(systemd=systemd, root_writable=root_writable, own_writable=own_writable)) is site


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("web-1", "web-1"),
        ("tasks", "_tasks"),
        ("cgroup.procs", "_cgroup.procs"),
        ("memory.max", "_memory.max"),
        ("memory-1", "memory-1"),
        ("cpu", "cpu"),
        ("_supervisor", "__supervisor"),
        ("notify_on_release", "_notify_on_release"),
    ],
)
def test_no_name_is_taken_for_a_file_of_the_kernels(name: str, directory: str) -> None:
    assert escape(name) == directory


def test_cgroup_parent_is_below_the_project() -> None:
    assert container_path("web-1", parent="") == "web-1"
    assert container_path("web-1", parent="/batch//night/") == "batch/night/web-1"
    assert container_path("web-1", parent="tasks") == "_tasks/web-1"


@pytest.mark.parametrize(
    ("container", "parent"),
    [("web-1", "../../other"), ("web-1", "a/./b"), ("..", ""), ("", ""), ("a/b", ""), ("web", "a\0b")],
)
def test_no_way_leads_out_of_the_project(container: str, parent: str) -> None:
    with pytest.raises(PycomposeError, match=r"^cannot make a cgroup for"):
        container_path(container, parent=parent)


def test_a_location_knows_its_controllers() -> None:
    v1 = Tree(1, ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu", "pycompose/shop")
    v2 = Tree(2, ("memory",), "/sys/fs/cgroup/unified/system.slice/pycompose-shop.scope", "")
    location = Location("shop", (v1, v2))
    assert location.versions == {"cpu": 1, "cpuacct": 1, "memory": 2}
    assert location.unified == v2
    assert v1.project == "/sys/fs/cgroup/cpu/pycompose/shop"
    assert v2.project == v2.base
