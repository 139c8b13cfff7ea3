"""One file a command, and the table of all commands, from which each is imported when it is asked for.

A new command is a file here and a row in the table. Its function takes Typer's Context, whose
``obj`` is the Invocation, and its own options; it returns the exit code. The file may hold
further ``OPTIONS``, and as ``EPILOG`` a text for the end of the help. What commands share is
in the rest of ``cli``.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command as help lists it, and where it is: a function in a file here. A group has no function."""

    help: str
    module: str = ""
    function: str = ""
    panel: str = "Every day"


_MANY, _SET_UP, _TRY_IT = "Many tenants", "Set-up", "To try it"

COMMANDS = {
    "plan": Entry("Show what would change in NinjaOne. Writes nothing there.", "plan", "plan"),
    "apply": Entry("Plan, ask, and apply to NinjaOne; or apply a saved plan.", "apply", "apply"),
    "show": Entry("Show a saved plan again, also one that is out of date.", "show", "show"),
    "explain": Entry("Tell why a user has this NinjaOne account, or none. Reads only.", "explain", "explain"),
    "history": Entry(
        "Show past runs; for one run every operation with its outcome, before and after.", "history", "history"
    ),
    "pause": Entry("Let no apply of this tenant begin, on any machine that shares its ledger.", "pause", "pause"),
    "resume": Entry("Let a paused tenant go on.", "pause", "resume"),
    "fleet": Entry("The same for many tenants: each in a process of its own, and one table of all.", panel=_MANY),
    "fleet plan": Entry("Plan for every tenant, and show one table. Writes nothing to NinjaOne.", "fleet_plan", "plan"),
    "fleet apply": Entry(
        "Plan, show the table, ask once, and apply exactly those plans; or apply saved ones.", "fleet_apply", "apply"
    ),
    "fleet check": Entry("Check every tenant, and show the worst line of each.", "fleet_check", "check"),
    "fleet discover": Entry(
        "List the child accounts of a Duo Accounts API application, and write tenant files for those named.",
        "fleet_discover",
        "discover",
    ),
    "fleet status": Entry(
        "Tell from the ledgers alone how each tenant's last apply went. Asks neither Duo nor NinjaOne.",
        "fleet_status",
        "status",
    ),
    "fleet work": Entry(
        "Run tenants for fleet plan, apply and check with --on workers, on as many machines as you like.\n\n"
        "Runs until it is stopped. Then tenants under way finish the calls that they made, and go back into the queue.",
        "fleet_work",
        "work",
    ),
    "check": Entry(
        "Check configuration, secrets, clocks, Duo, NinjaOne, ledger and lock: a line each, with the cure.",
        "check",
        "check",
        _SET_UP,
    ),
    "init": Entry("Write a commented config.toml from a few questions (mode 0600).", "init", "init", _SET_UP),
    "ledger": Entry("Show the ledger, copy it, or make a former tenant's entries this one's.", panel=_SET_UP),
    "ledger show": Entry(
        "Show where the ledger is, its tenants with what it holds of each, and its schema.", "ledger", "show"
    ),
    "ledger copy": Entry(
        "Copy the ledger to another place or kind of database, and prove that the copy is equal.", "ledger", "copy"
    ),
    "ledger rename-tenant": Entry(
        "Make the ledger's entries of a former tenant those of this configuration's.", "ledger", "rename_tenant"
    ),
    "ledger upgrade": Entry(
        "Make the ledger's tables, or bring them up to date, with the rights of this configuration's role.",
        "ledger",
        "upgrade",
    ),
    "sandbox": Entry(
        "Serve a local Duo Admin API, a local NinjaOne SCIM endpoint and its public API, for training and CI.\n\n"
        "While it serves, let things happen in the company: type help, hire, leave, disable, promote, rename, move, "
        "return, rename-group or year, each maybe with a user, or send such a line by POST.",
        "sandbox",
        "sandbox",
        _TRY_IT,
    ),
    "manual": Entry(
        "Show a page of the manual of this version, or list its pages.", "manual", "manual", "To learn more"
    ),
    "demo": Entry(
        "Show the main job end to end on this machine alone: plan, apply, plan again (empty).", "demo", "demo", _TRY_IT
    ),
}
