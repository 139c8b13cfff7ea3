"""What past runs left in the ledger."""

from contextlib import closing

from ninjasync.config import Config
from ninjasync.errors import CommandLineError
from ninjasync.ledger import Ledger, Operation, Run
from ninjasync.ledger_file import path_of
from ninjasync.tenant import tenant_of


def past_runs(config: Config) -> list[Run]:
    """Return this tenant's runs, the latest first."""
    ledger = Ledger.open_to_read(path_of(config), tenant_of(config))
    if ledger is None:
        return []
    with closing(ledger):
        return ledger.runs()


def past_run(config: Config, id_: str) -> tuple[Run, list[Operation]]:
    """Return the one run whose id begins with ``id_``, and its writes. Raises CommandLineError."""
    ledger = Ledger.open_to_read(path_of(config), tenant_of(config))
    found = []
    if ledger is not None:
        with closing(ledger):
            found = [run for run in ledger.runs(limit=10_000) if run.id.startswith(id_)]
            if len(found) == 1:
                return found[0], ledger.operations(found[0].id)
    what = f"{len(found)} runs have an id that begins" if found else "No run has an id that begins"
    raise CommandLineError(f'{what} with "{id_}".', "See ninjasync history for the runs.")
