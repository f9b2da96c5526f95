"""What the worker's jobs come to: told in the log once a minute for each kind of failure, and kept for monitoring."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from tongka.errors import TongkaError
from tongka.store.monitoring import JobRun, save_job_runs
from tongka.system import System

AGAIN_S = 60.0
"""After which the same failure of the same job is told again."""
FAULT = "fault"
"""The code of an error of ours."""

log = structlog.get_logger()


class Reports:
    """Of one worker, since they were last saved."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._runs: dict[str, JobRun] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    async def turn(self, name: str, once: Callable[[], Awaitable[object]]) -> None:
        """One turn of a job, whatever comes of it."""
        before = self._runs.get(name, JobRun(name))
        try:
            await once()
        except TongkaError as error:
            self._failed(before, error.code, error)
        except Exception as error:  # noqa: BLE001 - the next turn is tried whatever this one met
            self._failed(before, FAULT, error)
        else:
            self._runs[name] = replace(self._runs.get(name, before), succeeded_at=self._system.clock())

    async def save(self) -> None:
        """Add what came of the turns to what all workers have reported."""
        runs, self._runs = self._runs, {}
        if not runs:
            return
        try:
            await save_job_runs(self._system.database, list(runs.values()))
        except TongkaError:
            self._runs = {name: _joined(run, self._runs.get(name)) for name, run in runs.items()} | {
                name: run for name, run in self._runs.items() if name not in runs
            }
            raise

    def _failed(self, before: JobRun, code: str, error: Exception) -> None:
        self._runs[before.name] = replace(
            before, failed_at=self._system.clock(), failures=before.failures + 1, error=code
        )
        if self._system.database.leases.reach.away:
            return  # the log has said so
        now = time.monotonic()
        told_at, silent = self._told.get((before.name, code), (-AGAIN_S, 0))
        if now - told_at < AGAIN_S:
            self._told[before.name, code] = told_at, silent + 1
            return
        self._told[before.name, code] = now, 0
        fault = error if code == FAULT else None
        log.warning("job failed", job=before.name, error=code, text=str(error), not_told=silent, exc_info=fault)


def _joined(earlier: JobRun, later: JobRun | None) -> JobRun:
    if later is None:
        return earlier
    return replace(
        later,
        succeeded_at=later.succeeded_at or earlier.succeeded_at,
        failed_at=later.failed_at or earlier.failed_at,
        failures=earlier.failures + later.failures,
        error=later.error or earlier.error,
    )
