from hypothesis import given
from hypothesis import strategies as st

from ensemble.health import Circuit, Entry, Latencies


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_circuit(failures: int = 3) -> tuple[Circuit, Clock]:
    clock = Clock()
    return Circuit(failures, 10.0, clock), clock


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        circuit.leave(Entry(probe=False), "overloaded")


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    circuit, _ = a_circuit()
    fail(circuit, 2)
    circuit.leave(Entry(probe=False), None)
    fail(circuit, 2)
    assert circuit.enter() == Entry(probe=False)
    fail(circuit, 1)
    assert circuit.enter() is None
    assert circuit.wait_s() == 10


def test_one_probe_at_a_time_closes_it() -> None:
    circuit, clock = a_circuit()
    fail(circuit, 3)
    clock.now = 10
    probe = circuit.enter()
    assert probe == Entry(probe=True)
    assert circuit.enter() is None
    circuit.leave(probe, None)
    assert circuit.closed
    assert circuit.enter() == Entry(probe=False)


def test_a_failed_probe_opens_it_for_twice_as_long() -> None:
    circuit, clock = a_circuit()
    fail(circuit, 3)
    for wait in (10, 20, 40, 80, 160, 300, 300):
        clock.now += wait - 0.1
        assert circuit.enter() is None
        clock.now += 0.1
        probe = circuit.enter()
        assert probe is not None
        circuit.leave(probe, "timeout")


def test_a_call_from_before_does_not_decide_the_probe() -> None:
    circuit, clock = a_circuit()
    fail(circuit, 3)
    clock.now = 10
    assert circuit.enter() == Entry(probe=True)
    fail(circuit, 1)
    assert circuit.enter() is None
    assert not circuit.closed


def test_a_refused_request_is_no_sign_of_sickness() -> None:
    circuit, _ = a_circuit()
    for _ in range(10):
        circuit.leave(Entry(probe=False), "rejected")
    assert circuit.closed


def test_a_cancelled_probe_decides_nothing_and_the_next_call_probes() -> None:
    circuit, clock = a_circuit()
    fail(circuit, 3)
    clock.now = 10
    probe = circuit.enter()
    assert probe is not None
    circuit.leave(probe, "cancelled")
    assert not circuit.closed
    assert circuit.enter() == Entry(probe=True)


def test_zero_failures_never_opens() -> None:
    circuit, _ = a_circuit(0)
    fail(circuit, 100)
    assert circuit.closed


def test_too_few_durations_tell_nothing() -> None:
    latencies = Latencies(least=3)
    latencies.add(1.0)
    latencies.add(2.0)
    assert latencies.p95() is None


@given(st.lists(st.floats(0, 100), min_size=20, max_size=300))
def test_about_one_in_twenty_is_slower_than_the_p95(seconds: list[float]) -> None:
    latencies = Latencies(kept=1000)
    for s in seconds:
        latencies.add(s)
    p95 = latencies.p95()
    assert p95 is not None
    slower = sum(s > p95 for s in seconds)
    assert slower <= 0.05 * len(seconds) + 1
    assert sum(s <= p95 for s in seconds) >= 0.95 * (len(seconds) - 1)
