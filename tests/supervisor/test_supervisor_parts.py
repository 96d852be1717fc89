"""The small parts that everything else in the supervisor waits with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

from composer import errors
from composer.supervisor.alarm import Alarm
from composer.supervisor.changes import Changes
from composer.supervisor.mailbox import Closed, Mailbox
from composer.supervisor.turn import Turn


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body; one that hangs fails."""

    async def bounded() -> None:
        with anyio.fail_after(10):
            await main()

    anyio.run(bounded)


# ---- alarm


def test_an_alarm_rings_once_with_the_setting_it_was_armed_with() -> None:
    async def main() -> None:
        rings: list[int] = []
        async with anyio.create_task_group() as group:
            alarm = Alarm(group, rings.append)
            alarm.arm(1_000_000)
        assert rings == [alarm.setting]

    run(main)


def test_arming_again_replaces_and_disarming_forgets() -> None:
    async def main() -> None:
        rings: list[int] = []
        async with anyio.create_task_group() as group:
            alarm = Alarm(group, rings.append)
            alarm.arm(0)
            alarm.arm(3600 * 10**9)
            alarm.disarm()
        assert rings == []

    run(main)


def test_a_ring_of_an_earlier_setting_can_be_told() -> None:
    async def main() -> None:
        rings: list[int] = []
        async with anyio.create_task_group() as group:
            alarm = Alarm(group, rings.append)
            alarm.arm(0)
            await anyio.wait_all_tasks_blocked()
            alarm.disarm()
        assert rings != [alarm.setting]

    run(main)


def test_hastening_only_ever_shortens() -> None:
    async def main() -> None:
        rings: list[int] = []
        async with anyio.create_task_group() as group:
            alarm = Alarm(group, rings.append)
            alarm.arm(1_000_000)
            early = alarm.setting
            alarm.hasten(3600 * 10**9)
            assert alarm.setting == early
            alarm.arm(3600 * 10**9)
            alarm.hasten(1_000_000)
        assert rings == [alarm.setting]

    run(main)


# ---- changes, mailbox


def test_no_change_is_missed_between_two_questions() -> None:
    async def main() -> None:
        changes, state = Changes(), [0]

        async def count() -> None:
            for _ in range(3):
                state[0] += 1
                changes.tell()
                await anyio.wait_all_tasks_blocked()

        async with anyio.create_task_group() as group:
            group.start_soon(count)
            assert await changes.wait_for(lambda: state[0] if state[0] >= 3 else None) == 3

    run(main)


def test_a_letter_may_come_before_or_after_the_question() -> None:
    async def main() -> None:
        mailbox: Mailbox[int, str] = Mailbox()
        mailbox.put(1, "early")
        assert await mailbox.take(1) == "early"
        async with anyio.create_task_group() as group:
            group.start_soon(_put_later, mailbox)
            assert await mailbox.take(1) == "late"

    run(main)


async def _put_later(mailbox: Mailbox[int, str]) -> None:
    await anyio.wait_all_tasks_blocked()
    mailbox.put(1, "late")


def test_a_closed_mailbox_wakes_who_waits_and_still_has_what_came() -> None:
    async def main() -> None:
        mailbox: Mailbox[int, str] = Mailbox()
        mailbox.put(1, "here")
        mailbox.close()
        assert await mailbox.wait(1) == "here"
        with pytest.raises(Closed):
            await mailbox.wait(2)

    run(main)


# ---- turn


def test_a_second_client_is_told_who_has_the_turn_and_waits() -> None:
    async def main() -> None:
        turn, order, told = Turn(), list[str](), list[str]()
        begun, end = anyio.Event(), anyio.Event()

        async def first() -> None:
            async with turn.to_bring_up("up (pid 1)", queued=told.append):
                begun.set()
                await end.wait()
                order.append("first")

        async def second() -> None:
            await begun.wait()
            async with turn.to_bring_up("up (pid 2)", queued=told.append):
                order.append("second")

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            group.start_soon(second)
            await anyio.wait_all_tasks_blocked()
            end.set()
        assert (order, told, turn.holder) == (["first", "second"], ["up (pid 1)"], "")

    run(main)


def test_who_wants_to_stop_ends_who_brings_up() -> None:
    async def main() -> None:
        turn, begun, ended = Turn(), anyio.Event(), list[str]()

        async def up() -> None:
            try:
                async with turn.to_bring_up("pycompose up", queued=print):
                    begun.set()
                    await anyio.sleep_forever()
            except errors.Conflict as error:
                ended.append(error.message)

        async with anyio.create_task_group() as group:
            group.start_soon(up)
            await begun.wait()
            async with turn.to_take_down("pycompose down (pid 7)", queued=lambda _: None):
                assert turn.holder == "pycompose down (pid 7)"
        assert ended == ["cannot go on: pycompose down (pid 7) has taken over"]

    run(main)


def test_taking_down_is_not_interrupted() -> None:
    async def main() -> None:
        turn, begun, order = Turn(), anyio.Event(), list[str]()

        async def down() -> None:
            async with turn.to_take_down("one", queued=print):
                begun.set()
                await anyio.wait_all_tasks_blocked()
                order.append("one")

        async with anyio.create_task_group() as group:
            group.start_soon(down)
            await begun.wait()
            async with turn.to_take_down("two", queued=lambda _: None):
                order.append("two")
        assert order == ["one", "two"]

    run(main)
