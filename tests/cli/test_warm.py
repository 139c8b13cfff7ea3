"""What a tenant's process of a fleet imports by itself: what the warm server had not yet, thousands of times over."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ninjasync.cli.tenant_process import main_of
from ninjasync.config.fleet import Fleet, FleetSection
from ninjasync.fleet.processes import name_warm_modules
from tests.support.office import Office
from tests.support.postgres import Place, TestDatabase

# Codecs and the like: the standard library imports these, each in less than a millisecond.
SMALL = {"encodings.utf_8_sig", "pwd"}
FORK = """
import json, multiprocessing.forkserver, multiprocessing.spawn, pickle, sys
for name in json.loads(sys.argv[1]):
    __import__(name)
before = set(sys.modules)
try:
    pickle.loads(bytes.fromhex(sys.argv[2]))(sys.argv[3:])
except SystemExit as end:
    print(json.dumps([end.code, sorted(set(sys.modules) - before)]))
"""


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["check"]], ids=lambda command: command[0])
def test_a_tenants_process_imports_nothing_that_the_warm_server_has_not_got(
    tmp_path: Path, command: list[str], place: Place
) -> None:
    warm = name_warm_modules({"psycopg"} if isinstance(place, TestDatabase) else set())
    main = main_of(Fleet(tmp_path / "fleet.toml", FleetSection(), ()))
    (tmp_path / "fleet.toml").write_text('[fleet]\ntenants = ["config.toml"]\n')
    with Office(tmp_path) as office:
        office.configure("state", **place.settings)
        arguments = [*command, "--config", office.write_config(), "--format", "json", "--output", str(tmp_path / "out")]
        program = [sys.executable, "-c", FORK, json.dumps(warm), pickle.dumps(main).hex(), *arguments]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
    code, imported = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert set(imported) <= SMALL
