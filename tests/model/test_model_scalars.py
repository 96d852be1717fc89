"""Texts that mean one value: what each means, what is refused, and that it reads back from its own text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.model.choices import NamespaceKind, NamespaceMode, Restart, RestartWhen, SecurityOption, User, read_cpuset
from composer.model.devices import DeviceRule, Tmpfs
from composer.model.ports import PortRange
from composer.model.scalars import (
    Duration,
    Unreadable,
    read_boolean,
    read_cpus,
    read_decimal_size,
    read_file_mode,
    read_integer,
    read_microseconds,
    read_size,
    read_size_or_unlimited,
)
from composer.model.signals import SIGNAL_NAMES, Signal

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30s", 30 * S),
        ("1m30s", 90 * S),
        ("1h5m30s20ms", 3930 * S + 20_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", S),
        ("100us", 100_000),
        ("100µs", 100_000),
        ("7ns", 7),
        ("1d", 86_400 * S),
        ("1w", 604_800 * S),
        ("0", 0),
        ("+5s", 5 * S),
        ("0.000000001s", 1),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert Duration.parse(text).nanoseconds == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-5s", "30 secs", "1 h", "1h30", "5y", ".s", "1e3s", "9" * 30 + "s", "300y"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Unreadable):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (Duration(0), "0s"),
        (Duration(1), "1ns"),
        (Duration(1_500), "1.5µs"),
        (Duration(20_000_000), "20ms"),
        (Duration(90 * S), "1m30s"),
        (Duration(3600 * S), "1h0m0s"),
        (Duration(1_500_000_000), "1.5s"),
    ],
)
def test_durations_are_written_as_go_writes_them(duration: Duration, text: str) -> None:
    assert str(duration) == text


@given(st.integers(0, 2**62))
def test_durations_read_back(nanoseconds: int) -> None:
    assert Duration.parse(str(Duration(nanoseconds))) == Duration(nanoseconds)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("64m", 64 << 20),
        ("1.5g", 3 << 29),
        ("1 GiB", 1 << 30),
        ("2KB", 2048),
        ("300b", 300),
        ("0", 0),
        ("10", 10),
        (524288000, 524288000),
        ("1t", 1 << 40),
        (".5k", 512),
    ],
)
def test_sizes(value: object, size: int) -> None:
    assert read_size(value) == size


@pytest.mark.parametrize(
    "value", [1.5, 1e3, "1.5", "64x", "lots", "", "-1", -1, True, None, [], "1e3", "9" * 30, "64 m b"]
)
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(Unreadable):
        read_size(value)


def test_swap_may_be_unlimited() -> None:
    assert read_size_or_unlimited("-1") == read_size_or_unlimited(-1) == -1


def test_log_sizes_are_decimal() -> None:
    assert read_decimal_size("10m") == 10_000_000


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ("SIGTERM", 15, "SIGTERM"),
        ("term", 15, "SIGTERM"),
        ("9", 9, "SIGKILL"),
        ("SIGIOT", 6, "SIGABRT"),
        ("RTMIN", 34, "SIGRTMIN"),
        ("SIGRTMIN+3", 37, "SIGRTMIN+3"),
        ("SIGRTMAX", 64, "SIGRTMIN+30"),
        ("SIGRTMAX-1", 63, "SIGRTMIN+29"),
    ],
)
def test_signals(text: str, number: int, name: str) -> None:
    assert (Signal.parse(text).number, Signal.parse(text).name) == (number, name)


def test_signals_are_numbered_as_the_kernel_does() -> None:
    import signal

    named = {name: Signal.parse(name).number for name in SIGNAL_NAMES}
    known = {name: int(number) for name, number in signal.Signals.__members__.items() if name in named}
    assert len(known) >= 30
    assert known.items() <= named.items()


@pytest.mark.parametrize("text", ["", "SIGFOO", "0", "65", "RTMIN+31", "RTMAX+1", "SIG", "-9", "1.5"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(Unreadable):
        Signal.parse(text)


@given(st.integers(1, 64))
def test_signals_read_back(number: int) -> None:
    assert Signal.parse(str(Signal(number))) == Signal(number)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("no", Restart()),
        ("always", Restart(RestartWhen.ALWAYS)),
        ("unless-stopped", Restart(RestartWhen.UNLESS_STOPPED)),
        ("on-failure", Restart(RestartWhen.ON_FAILURE)),
        ("on-failure:3", Restart(RestartWhen.ON_FAILURE, 3)),
        ("on-failure:0", Restart(RestartWhen.ON_FAILURE)),
    ],
)
def test_restart_policies(text: str, policy: Restart) -> None:
    assert Restart.parse(text) == policy


READERS: list[tuple[Callable[[str], object], str, object]] = [
    (PortRange.parse, "80", PortRange(80, 80)),
    (PortRange.parse, "8000-8010", PortRange(8000, 8010)),
    (NamespaceMode.parse, "host", NamespaceMode(NamespaceKind.HOST)),
    (NamespaceMode.parse, "service:db", NamespaceMode(NamespaceKind.SERVICE, "db")),
    (User.parse, "1000:100", User("1000", "100")),
    (User.parse, "www-data", User("www-data")),
    (SecurityOption.parse, "no-new-privileges:true", SecurityOption("no-new-privileges", "true")),
    (SecurityOption.parse, "seccomp=/a:b.json", SecurityOption("seccomp", "/a:b.json")),
    (SecurityOption.parse, "label=level:s0", SecurityOption("label", "level:s0")),
    (DeviceRule.parse, "c 1:3 mr", DeviceRule("c", 1, 3, "mr")),
    (DeviceRule.parse, "b 8:* r", DeviceRule("b", 8, None, "r")),
    (DeviceRule.parse, "a", DeviceRule("a")),
    (Tmpfs.parse, "/run", Tmpfs("/run")),
    (Tmpfs.parse, "/run:size=1m,mode=1777,noexec", Tmpfs("/run", 1 << 20, 0o1777, flags=("noexec",))),
    (read_cpuset, "0-3, 6", "0-3,6"),
    (read_integer, "-5", -5),
    (read_boolean, "yes", True),
    (read_cpus, "0.5", 0.5),
    (read_file_mode, "0440", 0o440),
    (read_file_mode, "0o440", 0o440),
    (read_microseconds, "100ms", 100_000),
]


@pytest.mark.parametrize(("read", "text", "value"), READERS)
def test_values(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (Restart.parse, "sometimes"),
        (Restart.parse, "on-failure:abc"),
        (Restart.parse, "always:3"),
        (PortRange.parse, "99999"),
        (PortRange.parse, "90-80"),
        (PortRange.parse, "8o"),
        (PortRange.parse, "²"),
        (NamespaceMode.parse, "service:"),
        (NamespaceMode.parse, "host:x"),
        (User.parse, "a b"),
        (User.parse, ":5"),
        (SecurityOption.parse, "no-new-privileges:maybe"),
        (SecurityOption.parse, "seccomp"),
        (DeviceRule.parse, "c 1:3"),
        (DeviceRule.parse, "x 1:3 r"),
        (Tmpfs.parse, "run"),
        (Tmpfs.parse, "/run:sise=1"),
        (read_cpuset, "3-0"),
        (read_cpuset, "0,,1"),
        (read_integer, "1.5"),
        (read_boolean, "maybe"),
        (read_cpus, "-1"),
        (read_cpus, "nan"),
        (read_file_mode, "0888"),
        (read_microseconds, "-1"),
    ],
)
def test_what_means_nothing(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


@pytest.mark.parametrize("read", [read for read, *_ in READERS])
@given(text=st.text(max_size=20))
def test_readers_refuse_in_words(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except Unreadable:
        pass  # any other exception is a defect
