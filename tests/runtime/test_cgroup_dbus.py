"""D-Bus messages as bytes."""

from __future__ import annotations

import struct

import pytest

from composer.runtime.cgroup import dbus
from composer.runtime.cgroup.dbus import Field, Kind, ProtocolError, Variant


def call(member: str, signature: str, *values: object) -> bytes:
    return dbus.encode_call(member, signature, *values, path="/org/x", interface="org.x.Y", serial=7)


def test_a_call_byte_by_byte() -> None:
    assert call("Ping", "su", "ab", 5) == (
        b"l\x01\x00\x01" + struct.pack("<III", 12, 7, 56)
        + b"\x01\x01o\x00" + struct.pack("<I", 6) + b"/org/x\0" + b"\0"
        + b"\x02\x01s\x00" + struct.pack("<I", 7) + b"org.x.Y\0"
        + b"\x03\x01s\x00" + struct.pack("<I", 4) + b"Ping\0" + b"\0\0\0"
        + b"\x08\x01g\x00" + b"\x02su\0"
    ).ljust(72, b"\0") + struct.pack("<I", 2) + b"ab\0\0" + struct.pack("<I", 5)  # fmt: skip


def test_a_call_is_decoded_as_it_was_meant() -> None:
    encoded = call("GetUnit", "sbt", "shop.scope", True, 1 << 40)
    assert dbus.message_length(encoded[: dbus.FIXED_HEADER]) == len(encoded)
    message = dbus.decode(encoded)
    assert message.kind == Kind.CALL
    assert message.fields[Field.MEMBER] == "GetUnit"
    assert message.fields[Field.PATH] == "/org/x"
    assert message.values() == ("shop.scope", True, 1 << 40)


def test_containers_are_aligned() -> None:
    """An array's length does not count the padding before its first item, and a structure begins at 8."""
    body = dbus.decode(call("Start", "a(sv)", [("P", Variant("au", [1, 2]))])).body
    assert body == struct.pack("<II", 24, 0) + struct.pack("<I", 1) + b"P\0" + b"\2au\0" + b"\0\0" + struct.pack(
        "<III", 8, 1, 2
    )


def test_a_variant_is_unpacked() -> None:
    assert dbus.decode(call("Got", "v", Variant("s", "/system.slice"))).values() == ("/system.slice",)


@pytest.mark.parametrize(
    ("signature", "types"),
    [("", []), ("su", ["s", "u"]), ("ssa(sv)a(sa(sv))", ["s", "s", "a(sv)", "a(sa(sv))"]), ("aau", ["aau"])],
)
def test_complete_types(signature: str, types: list[str]) -> None:
    assert list(dbus.complete_types(signature)) == types


@pytest.mark.parametrize(
    "start",
    [
        b"B\x02\x00\x01" + bytes(12),  # the other byte order
        b"l\x02\x00\x02" + bytes(12),  # a version to come
        b"l\x02\x00\x01\xff\xff\xff\xff" + bytes(8),  # longer than anything
    ],
)
def test_what_is_not_a_message_is_refused(start: bytes) -> None:
    with pytest.raises(ProtocolError):
        dbus.message_length(start)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_message_that_ends_early_is_refused(cut: int) -> None:
    encoded = call("Ping", "st", "text", 1)
    message = dbus.decode(encoded)
    with pytest.raises(ProtocolError):
        dbus.Message(message.kind, message.fields, message.body[:-cut]).values()


def test_a_value_of_another_type_is_a_defect() -> None:
    with pytest.raises(TypeError, match="not of D-Bus type"):
        call("Ping", "u", "five")
