"""``explain``: from WHO and a plan to the explanation. Pure: all that it tells was read before."""

from ninjasync.config.schema import Config
from ninjasync.explain.answer import answer
from ninjasync.explain.case import open_case
from ninjasync.explain.search import find_subject
from ninjasync.explain.steps import attributes, steps
from ninjasync.model.attributes import short_names
from ninjasync.model.explanation import Explanation
from ninjasync.runs.inspection import Inspection


def explain(config: Config, who: str, inspection: Inspection) -> Explanation:
    """Explain the case of ``who``. Raises CommandLineError where that is no user and no account, or are several.

    The requests are asked of ``inspection``, which may read again what is replaced as a whole.
    """
    who = who.strip()
    case = open_case(config, inspection, find_subject(inspection, who))
    plan = inspection.planning.plan
    return Explanation(
        who=who,
        name=case.name,
        conclusion=case.conclusion,
        answer=answer(case),
        duo_id=case.subject.duo_id,
        account_id=case.account.id if case.account else None,
        steps=steps(case),
        attributes=attributes(case),
        changes=case.changes,
        withheld=plan.withheld,
        problems=case.problems,
        shown=short_names(config.attributes),
        guards=plan.guards,
        refused=plan.refused,
        stopped_by=case.stopped_by,
        requests=inspection.requests(case.changes),
        organizations=plan.organizations,
    )
