import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from judges.deadline import Deadline
from tests.virtual import run_virtual


def run(main: Callable[[Callable[[], float]], Awaitable[None]]) -> None:
    """``main`` on a virtual clock that it is given, as seconds from its start."""

    async def whole() -> None:
        clock = asyncio.get_running_loop().time
        begin = clock()
        await main(lambda: clock() - begin)

    run_virtual(whole())


def after(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def test_it_ends_a_wait_on_time_and_leaves_no_cancellation() -> None:
    async def main(clock: Callable[[], float]) -> None:
        with pytest.raises(TimeoutError), Deadline(after(3)):
            await asyncio.sleep(10)
        assert clock() == 3
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(1)

    run(main)


def test_one_that_has_passed_ends_the_first_wait() -> None:
    async def main(clock: Callable[[], float]) -> None:
        with pytest.raises(TimeoutError), Deadline(after(-1)):
            await asyncio.sleep(10)
        assert clock() == 0

    run(main)


@pytest.mark.parametrize("when", [None, math.inf])
def test_without_an_end_it_never_ends(when: float | None) -> None:
    async def main(clock: Callable[[], float]) -> None:
        with Deadline(when):
            await asyncio.sleep(10_000)

    run(main)


def test_it_can_be_moved_both_ways_and_set_late() -> None:
    async def moved(first: float | None, then: float) -> None:
        with Deadline(None if first is None else after(first)) as limit:
            limit.move(after(then))
            await asyncio.sleep(10)

    async def main(clock: Callable[[], float]) -> None:
        for first, then in ((1, 5), (5, 1), (None, 2)):
            begin = clock()
            with pytest.raises(TimeoutError):
                await moved(first, then)
            assert clock() - begin == then

    run(main)


def test_what_it_has_left_behind_ends_nothing() -> None:
    async def main(clock: Callable[[], float]) -> None:
        with Deadline(after(1)):
            pass
        with pytest.raises(ValueError, match="mine"), Deadline(after(1)):
            raise ValueError("mine")
        await asyncio.sleep(5)

    run(main)


def test_of_two_the_one_that_has_come_is_told() -> None:
    async def main(clock: Callable[[], float]) -> None:
        with Deadline(after(5)), pytest.raises(TimeoutError), Deadline(after(1)):
            await asyncio.sleep(10)
        with pytest.raises(TimeoutError), Deadline(after(1)), Deadline(after(5)):
            await asyncio.sleep(10)
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError), Deadline(after(1)):
                await asyncio.sleep(10)
        assert clock() == 3

    run(main)


def test_a_cancellation_from_elsewhere_stays_one_even_at_the_same_time() -> None:
    async def main(clock: Callable[[], float]) -> None:
        async def patient() -> None:
            with Deadline(after(2)):
                await asyncio.sleep(10)

        for when in (1, 2):
            task = asyncio.get_running_loop().create_task(patient())
            asyncio.get_running_loop().call_later(when, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)


def test_a_result_that_ignores_the_end_is_kept() -> None:
    async def main(clock: Callable[[], float]) -> None:
        with Deadline(after(1)) as limit:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                limit.move(after(1))  # too late
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(5)

    run(main)


def test_it_is_for_a_task() -> None:
    loop = asyncio.new_event_loop()
    found = list[type[BaseException]]()

    def bare() -> None:
        try:
            with Deadline(loop.time() + 1):
                pass
        except RuntimeError as error:
            found.append(type(error))

    loop.call_soon(bare)
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    assert found == [RuntimeError]


def test_far_ones_share_a_timer_and_each_ends_on_its_time() -> None:
    async def main(clock: Callable[[], float]) -> None:
        ended = list[tuple[float, float]]()

        async def one(seconds: float, moved: float) -> None:
            try:
                with Deadline(after(seconds)) as limit:
                    limit.move(after(moved))
                    await asyncio.sleep(100)
            except TimeoutError:
                ended.append((moved, clock()))

        whens = [(9.0, 7.25), (30.0, 0.25), (0.25, 30.0), (2.0, 1.0001), (3.0, 7.25)]
        async with asyncio.TaskGroup() as group:
            for when in whens:
                group.create_task(one(*when))
        assert [then for then, _ in ended] == sorted(then for _, then in whens)
        assert all(at == pytest.approx(then) for then, at in ended)

    run(main)


def test_loops_that_take_turns_disturb_each_other_in_nothing() -> None:
    async def begun() -> asyncio.Task[None]:
        async def patient() -> None:
            with Deadline(after(1.05)):
                await asyncio.sleep(10)

        task = asyncio.get_running_loop().create_task(patient())
        await asyncio.sleep(0)
        return task

    async def ended(task: asyncio.Task[None]) -> None:
        with pytest.raises(TimeoutError):
            await task

    with asyncio.Runner() as first, asyncio.Runner() as second:
        tasks = [(runner, runner.run(begun())) for runner in (first, second, first)]
        for runner, task in tasks:
            runner.run(ended(task))
