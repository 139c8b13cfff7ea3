"""What a process has ready that runs many command lines by forking: imported by name, before the first fork."""

import gc

import filelock  # noqa: F401 - an apply imports it where it takes the lock

import ninjasync.cli.tenant_process  # what each fork begins with
import ninjasync.report.json  # noqa: F401 - as above, for what its format needs
from ninjasync.cli import root_command
from ninjasync.cli.options import Invocation

# Typer makes what reads an option when one is read for the first time.
for _name in ("plan", "apply", "check"):
    root_command().load(_name).make_context(_name, [], obj=Invocation())

# What is here stays in every process: a search for garbage there would only copy it.
gc.freeze()
