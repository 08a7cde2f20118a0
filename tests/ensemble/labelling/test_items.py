import pytest

from ensemble.errors import CallFailed
from ensemble.fleet import Member
from ensemble.labelling.asking import Question
from ensemble.labelling.items import unsent
from ensemble.ledger import Aim
from tests.ensemble.doubles import Scripted, a_member, a_request


class Batching(Scripted):
    """A connection that takes batches, and must not be brought any here."""

    def _never(self, *asked: object, **more: object) -> None:
        raise AssertionError("nothing may be sent")

    batch_limits = batch_item = submit_batch = find_batch = batch_state = batch_results = cancel_batch = _never


@pytest.mark.parametrize(("data", "sent"), [({"public"}, False), ({"public", "patients"}, True), (None, False)])
async def test_a_batch_carries_nothing_to_where_it_may_not_go(data: set[str] | None, sent: bool) -> None:
    known, _ = a_member("alpha")
    allowed = None if data is None else frozenset(data)
    member = Member("alpha", known.settings, Batching(["never"]), known.limiter, data=allowed)
    request = a_request(data_class="patients")
    question = Question(request=request, member=member, prompt=request.prompt, aim=Aim(purpose="candidate"))
    if sent:
        assert unsent(question, request.prompt) == ()
        return
    with pytest.raises(CallFailed) as failed:
        unsent(question, request.prompt)
    assert (failed.value.failure, failed.value.sent) == ("not_permitted", False)
