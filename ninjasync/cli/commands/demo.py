"""``demo``: the main job end to end, against the sandbox, told as a story."""

from typing import Annotated

import typer

from ninjasync.cli import clock
from ninjasync.cli.options import Invocation


def demo(
    invocation: Invocation,
    users: Annotated[int, typer.Option(metavar="N", min=20, max=2000, help="How many people Duo knows.")] = 30,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed tells the same story.")] = 1,
) -> int:
    """Show the main job end to end on this machine alone: plan, apply, plan again (empty)."""
    from pathlib import Path
    from tempfile import TemporaryDirectory
    from textwrap import fill

    from ninjasync.config.context import RunContext
    from ninjasync.config.load import load
    from ninjasync.errors import NinjasyncError
    from ninjasync.model.plan import Approvals
    from ninjasync.report import text
    from ninjasync.report.outline import left_to_do
    from ninjasync.runs.apply import applying
    from ninjasync.runs.plan import plan_run
    from ninjasync.sandbox.box import Sandbox
    from ninjasync.sandbox.company.staffing import existing_accounts, make_company
    from ninjasync.sandbox.company.year import year_of_life

    color = invocation.color()

    def say(*lines: str) -> None:
        invocation.deliver("\n".join([*lines, ""]))

    people = make_company(users=users, seed=seed)
    with Sandbox(people, existing_accounts(people, seed=seed)) as box, TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(box.config_toml(), "utf-8")
        config = load(path)
        state = config.state.model_copy(update={"path": "ledger.sqlite3"})
        # By id, so that the renamed group stays in scope.
        scope = config.scope.model_copy(update={"groups": tuple(people.scoped)})
        config = config.model_copy(update={"scope": scope, "state": state})

        def context() -> RunContext:
            return RunContext(config, "", clock.now(), clock.now)

        def write() -> None:
            with applying(context(), Approvals(), (), "demo", 0) as run:
                if run.plan.refused:
                    raise NinjasyncError("A guard refused the plan.", f"Please report it, with seed {seed}.")
                result = run.apply(parallelism=None, tell=lambda _: None)
                run.finish(result, 0)
            say(text.render_result(result, run.plan, left_to_do(result), color=color).strip("\n"))

        def expect_nothing_left() -> None:
            plan = plan_run(context(), Approvals(), ()).plan
            say("", "$ ninjasync plan", *text.wrapped_summary(plan))
            if plan.changes:
                raise NinjasyncError("The plan after the apply is not empty.", f"Please report it, with seed {seed}.")

        say(
            f"A make-believe company of {users} people, in a Duo and a NinjaOne that run on this",
            "machine only. Duo says who works here. ninjasync brings NinjaOne's accounts into",
            "step with it.",
            "",
            text.heading("Day one: NinjaOne has a few hand-made accounts", color=color),
            "",
            "$ ninjasync plan",
            "(the full plan lists each account; here is its last line)",
        )
        say(*text.wrapped_summary(plan_run(context(), Approvals(), ()).plan), "", "$ ninjasync apply")
        write()
        say("", "After it, a plan finds nothing to do. That is the proof that it worked:")
        expect_nothing_left()

        say("", text.heading("A year goes by in Duo", color=color), "")
        say(*(fill(f"  * {event}", 80, subsequent_indent="    ") for event in year_of_life(people, seed=seed)))
        say("", "The same command, before anything is written. Each line says why:", "", "$ ninjasync plan", "")
        year = plan_run(context(), Approvals(), ()).plan
        say(text.render_plan(year, color=color).strip("\n"), "", "$ ninjasync apply")
        write()
        expect_nothing_left()
        say(
            "",
            "The leavers' accounts are inactive, not deleted; the rest kept theirs through",
            "every change of name. To try it by hand: ninjasync sandbox. For your own Duo and",
            "NinjaOne: ninjasync init.",
        )
    return 0
