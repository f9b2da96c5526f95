"""A stored answer that is gone does no harm: the old message is refused by its own time, and moves nothing."""

from datetime import timedelta

from tongka.store.retention import forget_replies
from tongka.worker import jobs


async def test_a_repeat_whose_answer_is_forgotten_is_refused_as_old_and_costs_nothing(world):
    card = await world.card()
    sent = []

    async def note(request):
        sent.append((str(request.url), request.content))

    world.client._http.event_hooks["request"].append(note)
    await world.client.top_up(card, 1_000, "pay-1")
    world.pass_time(days=40)
    assert await forget_replies(world.database, world.now[0] - timedelta(days=31)) > 0
    balances = await world.database.read("SELECT count(*) AS transfers FROM transfer")
    for url, body in tuple(sent):
        assert (await world.client._http.post(url, content=body)).json()["result"] == "999999"
    assert await world.database.read("SELECT count(*) AS transfers FROM transfer") == balances
    await world.books()


async def test_the_worker_removes_old_answers_only_where_that_is_set(world):
    assert "old replies" not in {job.name for job in jobs(world.system)}
