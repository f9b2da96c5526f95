"""What Prometheus scrapes, in its text form: counts of all web processes, and what the database says when asked.

`docs/operating/monitoring.md` has the meaning of each and an alarm for it.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tongka import VERSION, tls
from tongka.errors import TongkaError
from tongka.readiness import Readiness
from tongka.store import monitoring
from tongka.store.migrate import migrations
from tongka.system import System
from tongka.traffic import BOUNDS_S, UNPROVEN, Counts


async def scrape(system: System, readiness: Readiness, counts: Counts) -> bytes:
    """The whole page; what the database says is left out while it does not answer."""
    problems = await readiness.problems()
    found = [*_traffic(counts), *_process(system, problems)]
    with suppress(TongkaError):
        found += [*await _orders(system), *await _work(system), await _audit(system)]
    registry = CollectorRegistry()
    registry.register(_Found(found))
    return generate_latest(registry)


class _Found(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def _traffic(counts: Counts) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "tongka_requests", "Answered requests by result: ok, repeated, or an error's code.",
        labels=("interface", "operation", "code"),
    )  # fmt: skip
    unproven = CounterMetricFamily(
        "tongka_unproven_requests",
        "Refused requests that nobody's signature or token vouched for.",
        labels=("interface", "code"),
    )
    took: dict[tuple[str, str], list[float]] = {}
    for (interface, operation, code), row in sorted(counts.items()):
        if operation == UNPROVEN:
            unproven.add_metric((interface, code), sum(row[:-1]))
            continue
        requests.add_metric((interface, operation, code), sum(row[:-1]))
        before = took.setdefault((interface, operation), [0.0] * len(row))
        took[interface, operation] = [a + b for a, b in zip(before, row, strict=True)]
    yield from (requests, unproven, _durations(took))


def _durations(took: dict[tuple[str, str], list[float]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "tongka_request_seconds",
        "How long answers took, reading and sending left out.",
        labels=("interface", "operation"),
    )
    for labels, row in took.items():
        bounds = (*map(str, BOUNDS_S), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(row[:-1]), strict=True)), sum_value=row[-1])
    return family


def _process(system: System, problems: dict[str, str]) -> Iterator[Metric]:
    build = GaugeMetricFamily("tongka_build", "Always 1; the version and the schema.", labels=("version", "schema"))
    build.add_metric((VERSION, str(migrations()[-1])), 1)
    ready = GaugeMetricFamily("tongka_ready", "1 where this is in order, 0 where not.", labels=("part",))
    for part in ("database", "schema", "keys"):
        ready.add_metric((part,), int(part not in problems))
    pool = system.database.leases.pool
    connections = GaugeMetricFamily(
        "tongka_database_connections", "Of the process that answers: open, and the most.", labels=("what",)
    )
    connections.add_metric(("open",), pool.get_size())
    connections.add_metric(("max",), pool.get_max_size())
    yield from (build, ready, connections)
    if validity := tls.read_pair(system.settings.web):
        yield GaugeMetricFamily(
            "tongka_certificate_end_seconds", "Unix time at which web.tls_certificate ends.", validity.until.timestamp()
        )


async def _orders(system: System) -> list[Metric]:
    labels = ("kind", "state")
    count = GaugeMetricFamily("tongka_orders", "Orders that something is still to happen with.", labels=labels)
    age = GaugeMetricFamily("tongka_order_oldest_seconds", "Since the longest waiting of them moved.", labels=labels)
    now = system.clock()
    for one in await monitoring.standing(system.database):
        count.add_metric((one.kind, one.state), one.orders)
        age.add_metric((one.kind, one.state), (now - one.oldest).total_seconds())
    return [count, age]


async def _work(system: System) -> list[Metric]:
    success = GaugeMetricFamily("tongka_job_success_seconds", "Unix time of its last success.", labels=("job",))
    failures = CounterMetricFamily("tongka_job_failures", "Turns that failed.", labels=("job",))
    for run in await monitoring.job_runs(system.database):
        success.add_metric((run.name,), _unix(run.succeeded_at))
        failures.add_metric((run.name,), run.failures)
    days = await monitoring.days_not_closed(system.database, system.day(system.clock()))
    return [success, failures, GaugeMetricFamily("tongka_days_not_closed", "Business days over, books open.", days)]


async def _audit(system: System) -> Metric:
    found = await monitoring.unsealed(system.database)
    family = GaugeMetricFamily(
        "tongka_audit_unsealed", "Audit rows without a seal, and the oldest's age.", labels=("what",)
    )
    family.add_metric(("rows",), found.rows)
    family.add_metric(("seconds",), (system.clock() - found.oldest).total_seconds() if found.oldest else 0)
    return family


def _unix(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
