"""Real processes, looked at from outside: health, readiness, figures over all of them, an upgrade under their feet."""

import re

import httpx

from installations import until

STRANGE = {"head": {}}


def figure(page, name, **labels):
    """The sum of a metric's samples that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return sum(float(value) for said, value in found if all(one in said for one in wanted))


def get(one, path, **headers):
    return httpx.get(one.url + path, headers=headers, timeout=10)


def send_what_nobody_vouches_for(one):
    return httpx.post(f"{one.url}/cardfront/cardSaleRequest/V1", json=STRANGE, timeout=10)


def counted(one, name="tongka_requests_total", **labels):
    return figure(get(one, "/metrics").text, name, interface="huzhou", **labels)


async def test_two_processes_are_watched_and_refuse_another_schema(installed, database):
    two = installed(2)
    with two.started("serve") as started:
        until(lambda: two.answers() and len(started.told("serving")) == 3)
        assert get(two, "/ready").json()["problems"] == {}
        before = 0
        for count in range(1, 13):
            assert send_what_nobody_vouches_for(two).json()["result"] == "999999"
            seen = counted(two, code="malformed")
            assert before <= seen <= count
            before = seen
        until(lambda: counted(two) == 12)
        assert counted(two, "tongka_request_seconds_count", operation="cardSaleRequest") == 12
        assert counted(two, "tongka_unproven_requests_total") == 12
        assert figure(get(two, "/metrics").text, "tongka_ready") == 3
        assert get(two, "/metrics", Host="city.example").status_code == 403
        until(lambda: len(started.told("request")) == 12)
        await database.execute("DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)")
        refused = two.run("db", "upgrade")
        assert refused.returncode == 2
        assert "stop serve and worker, or add --online" in refused.stderr
        until(lambda: len(started.told("the schema is not this version's; refusing requests")) == 2)
        assert set(get(two, "/ready").json()["problems"]) == {"schema"}
        assert get(two, "/ready").status_code == 503
        assert get(two, "/health").status_code == 200
        assert send_what_nobody_vouches_for(two).status_code == 503


async def test_a_worker_reports_its_jobs_and_is_quiet_while_its_database_is_away(installed, database):
    one = installed()
    with one.started("worker") as started:
        until(lambda: started.told("working"))
        jobs = set(started.told("working")[0]["jobs"])
        await _until_reported(database, jobs - {"day end"})
        assert {line["level"] for line in started.lines()} == {"info"}


async def _until_reported(database, jobs):
    for _ in range(600):
        rows = await database.read("SELECT name FROM job_run WHERE succeeded_at IS NOT NULL")
        if jobs <= {row["name"] for row in rows}:
            return
        await database.read("SELECT pg_sleep(0.1)")
    raise AssertionError("not all jobs reported")
