"""``demo``: the main job end to end, against the sandbox, as a story."""

from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import Annotated

import typer

from ninjasync.cli import clock, shared_options
from ninjasync.cli.commands.demo_fleet import show_fleet
from ninjasync.cli.options import Invocation
from ninjasync.config.context import RunContext
from ninjasync.config.load import load
from ninjasync.config.schema import Config
from ninjasync.errors import NinjasyncError
from ninjasync.log import run_id
from ninjasync.model.message import Message
from ninjasync.model.message import text as as_text
from ninjasync.model.outcome import Outcome
from ninjasync.model.plan import Approvals, Plan
from ninjasync.report import text
from ninjasync.report.outline import left_to_do
from ninjasync.runs.apply import applying
from ninjasync.runs.plan import plan_run
from ninjasync.sandbox.box import Sandbox
from ninjasync.sandbox.company.staffing import existing_accounts, make_company
from ninjasync.sandbox.company.year import live_a_year


def demo(
    ctx: typer.Context,
    users: Annotated[int, typer.Option(metavar="N", min=20, max=2000, help="How many people Duo knows.")] = 30,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed tells the same story.")] = 1,
    fleet: Annotated[
        bool, shared_options.flag("--fleet", help="Tell it of four companies at once, with the fleet commands.")
    ] = False,
) -> int:
    """Serve a company, bring NinjaOne into step, let a year go by, and do it again."""
    invocation: Invocation = ctx.obj
    if fleet:
        return show_fleet(invocation, users, seed)
    color = invocation.color()
    people = make_company(users=users, seed=seed)
    with Sandbox(people, existing_accounts(people, seed=seed)) as box, TemporaryDirectory() as folder:
        show = _Show(invocation, _make_config(box, Path(folder), tuple(people.scoped)), seed)
        show.say(
            f"A make-believe company of {users} people, in a Duo and a NinjaOne that run on this",
            "machine only. Duo says who works here. ninjasync brings NinjaOne's accounts into",
            "step with it.",
            "",
            text.heading("Day one: NinjaOne has a few hand-made accounts", color=color),
            "",
            "$ ninjasync plan",
            "(the full plan lists each account; here is its last line)",
        )
        show.say(*text.wrapped_summary(show.make_plan()))
        show.apply()
        show.say("", "After it, a plan finds nothing to do. That is the proof that it worked:")
        show.expect_empty_plan()
        show.say("", text.heading("A year goes by in Duo", color=color), "")
        show.say(*(fill(f"  * {event}", 80, subsequent_indent="    ") for event in live_a_year(people, seed=seed)))
        show.say("", "The same command, before anything is written. Each line says why:", "", "$ ninjasync plan", "")
        show.say(text.render_plan(show.make_plan(), color=color).strip("\n"))
        show.apply()
        show.expect_empty_plan()
        show.say(
            "",
            "The leavers' accounts are inactive, not deleted; the rest kept theirs through",
            "every change of name. To try it by hand: ninjasync sandbox. For your own Duo and",
            "NinjaOne: ninjasync init.",
        )
    return 0


def _make_config(box: Sandbox, folder: Path, groups: tuple[str, ...]) -> Config:
    """Return the configuration that reaches the sandbox; ``groups`` are ids, so that a renamed one stays in scope."""
    path = folder / "config.toml"
    path.write_text(box.config_toml(), "utf-8")
    config = load(path)
    scope = config.scope.model_copy(update={"groups": groups})
    state = config.state.model_copy(update={"path": "ledger.sqlite3"})
    return config.model_copy(update={"scope": scope, "state": state})


class _Show:
    """Plans and applies for real, and says what came of it."""

    def __init__(self, invocation: Invocation, config: Config, seed: int) -> None:
        self._invocation, self._config, self._seed = invocation, config, seed

    def say(self, *lines: str) -> None:
        self._invocation.deliver("\n".join([*lines, ""]))

    def _begin(self) -> RunContext:
        return RunContext(self._config, run_id(clock.now()), clock.now(), clock.now)

    def make_plan(self) -> Plan:
        return plan_run(self._begin(), Approvals(), ()).plan

    def apply(self) -> None:
        """Apply as the command does, but without a question."""
        self.say("", "$ ninjasync apply")
        with applying(self._begin(), Approvals(), (), "demo", 0) as run:
            if run.plan.refused:
                raise self._fault("A guard refused the plan.")
            result = run.apply(parallelism=None, tell=_ignore)
            run.finish(result, 0)
        rendered = text.render_result(result, run.plan, left_to_do(result), color=self._invocation.color())
        self.say(rendered.strip("\n"))

    def expect_empty_plan(self) -> None:
        """Show what is left to do; raises NinjasyncError where that is anything."""
        plan = self.make_plan()
        self.say("", "$ ninjasync plan", *text.wrapped_summary(plan))
        if plan.changes:
            raise self._fault("The plan after the apply is not empty.")

    def _fault(self, sentence: str) -> NinjasyncError:
        return NinjasyncError(sentence, Message("Please report it, with seed {}.", as_text(self._seed)))


def _ignore(outcome: Outcome) -> None:
    """Tell nothing of single outcomes: the result lists what is worth it."""
