"""Finds a SCIM endpoint's dialect by writing to one throw-away account and group, and removes them again.

Knows which steps there are and in which order. How a step is tried is in ``trial``; what is
done with the account and the group is in ``probe_account`` and ``probe_groups``.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from ninjasync.check import probe_account, probe_groups
from ninjasync.check.throwaway import Cleanup, ProbeRequests, Subject
from ninjasync.check.trial import RefusedError, Trial, differing
from ninjasync.config.context import RunContext
from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import InterruptedRunError, NinjasyncError
from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.model.exchange import Exchange
from ninjasync.model.finding import Finding, Probe, green, red, yellow
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import connect, describe

# Every key of [ninjaone.dialect] that may be found to be otherwise, in its order there.
_KEYS = tuple(Dialect.model_fields)
_SMALLER_PAGES = (50, 20, 10)


def probe(
    context: RunContext, token: SecretStr, subject: Subject, hear: Callable[[Exchange], None] | None = None
) -> Probe:
    """Try everything out; whatever happens, what was made is removed, or named as left.

    Setting the context's ``stop`` ends the probe after the request that is under way.
    """
    config, stop = context.config, context.stop
    requests = ProbeRequests(connect(context, token, hear))
    trial = Trial(config, requests, subject, stop)
    interrupted = False
    try:
        _go(trial)
    except (InterruptedRunError, KeyboardInterrupt):
        interrupted = True
    except NinjasyncError as error:
        trial.found("probe", red(error.message, error.hint, exit_code=error.exit_code))
    except RefusedError as error:
        trial.found("probe", red(f"The probe could not go on: {error}.", "Run it again."))
    except Exception as error:  # what was made must be removed whatever went wrong
        trial.found("probe", red(f"The probe failed: {type(error).__name__}: {error}.", "Please report it."))
    finally:
        requests.close()
        found = trial.dialect.model_copy(update={"media_type": requests.media_type})
        ninjaone = config.ninjaone.model_copy(update={"dialect": found})
        left = Cleanup(replace(context, config=config.model_copy(update={"ninjaone": ninjaone})), token).remove_all(
            trial.made
        )
    changed = differing(config.ninjaone.dialect, found, _KEYS)
    return Probe(subject.user_name, tuple(trial.lines), changed, left, interrupted=interrupted or stop.is_set())


def _go(trial: Trial) -> None:
    if probe_account.create(trial):
        trial.found("lists", _lists(trial))
        trial.found("look-ups", _look_ups(trial))
        _spell(trial)
        probe_account.change(trial)
        probe_groups.change(trial)
        probe_account.remove(trial)
    before, after = trial.dialect.media_type, trial.endpoint.media_type
    if before != after:
        text = f'Only with media_type = "{after}": the other is refused.'
        trial.found("media type", green(text))


def _lists(trial: Trial) -> Finding:
    """Whether accounts and groups are listed, in pages of the configured size or of a smaller one."""
    size = trial.dialect.page_size
    if trial.dialect.discovery == "lookup":
        return green("Not asked for, as each account is looked up by itself.")
    why = _no_list(trial, size)
    if not why:
        return green(f"Accounts and groups are listed.{_behind_the_last(trial)}")
    for smaller in (one for one in _SMALLER_PAGES if one < size):
        if not _no_list(trial, smaller):
            trial.dialect = trial.dialect.model_copy(update={"page_size": smaller})
            return green(f"Accounts and groups are listed. Only with page_size = {smaller}: else {why}.")
    trial.dialect = trial.dialect.model_copy(update={"discovery": "lookup"})
    return green(f'Accounts are looked up one by one. Only with discovery = "lookup": else {why}.')


def _no_list(trial: Trial, size: int) -> str:
    """Say why users or groups cannot be listed; empty where they can."""
    for resource in ("user", "group"):
        trial.go_on()
        answer = trial.endpoint.ask(resource, {"startIndex": "1", "count": str(size)})
        if answer.status in (401, 403):
            continue  # that is about rights: see the checks
        if answer.status != 200:
            return f"its {resource}s are not listed ({describe(answer)})"
        if scim_responses.read_page(answer.body) is None:
            return f"its {resource}s are answered with something that is no SCIM list"
    return ""


def _behind_the_last(trial: Trial) -> str:
    """Say what comes for a page that starts behind the total, which a run may ask for."""
    first = trial.endpoint.ask("user", {"startIndex": "1", "count": "1"})
    page = scim_responses.read_page(first.body) if first.status == 200 else None
    if page is None or page.total is None:
        return ""
    behind = trial.endpoint.ask("user", {"startIndex": str(page.total + 1), "count": "1"})
    after = scim_responses.read_page(behind.body) if behind.status == 200 else None
    if after is None:
        return f" A page behind the last one is answered with {describe(behind)}, which a run copes with."
    again = " A page behind the last one is not empty, which a run copes with."
    return again if after.resources else " A page behind the last one is empty."


def _spell(trial: Trial) -> None:
    """Learn how NinjaOne spells what the probe does not give to its account: a technician, all organizations."""
    for path, key in ((USER_TYPE, "technician_value"), (ORGANIZATION_ID, "all_value")):
        sent = getattr(trial.dialect, key)
        spelt = {word for word in _words(trial, path) if word.casefold() == sent.casefold()}
        if spelt and sent not in spelt and trial.values.get(path, "").casefold() != sent.casefold():
            word = min(spelt)
            trial.dialect = trial.dialect.model_copy(update={key: word})
            trial.found(
                "spelling", green(f'NinjaOne itself writes {path.rpartition(":")[2]} "{word}": {key} = "{word}".')
            )


def _words(trial: Trial, path: str) -> Iterator[str]:
    """Yield the values of an attribute that accounts show, and those that the schema names (RFC 7643 §7)."""
    if trial.dialect.discovery != "lookup":
        answer = trial.endpoint.ask("user", {"startIndex": "1", "count": str(trial.dialect.page_size)})
        page = scim_responses.read_page(answer.body) if answer.status == 200 else None
        shown = (
            scim_responses.value_at(row, path) for row in (page.resources if page else ()) if isinstance(row, dict)
        )
        yield from filter(None, shown)
    try:
        schemas = trial.endpoint.send("GET", "/Schemas")
    except NinjasyncError:  # many servers describe nothing, or not to us
        return
    yield from _canonical(schemas.body if schemas.status == 200 else None, path.rpartition(":")[2].casefold())


def _canonical(found: Any, name: str) -> Iterator[str]:
    """Yield the canonical values of the attribute ``name``, wherever a schema has it."""
    if isinstance(found, list):
        for one in found:
            yield from _canonical(one, name)
    elif isinstance(found, dict):
        values = scim_responses.get(found, "canonicalValues")
        if str(scim_responses.get(found, "name")).casefold() == name and isinstance(values, list):
            yield from (value for value in values if isinstance(value, str))
        yield from (word for one in found.values() if isinstance(one, dict | list) for word in _canonical(one, name))


def _look_ups(trial: Trial) -> Finding:
    """Whether the account can be looked up by its name and by its externalId."""
    needed = trial.dialect.discovery == "lookup"
    by_name = _finds(trial, "userName", trial.subject.user_name)
    if by_name == "":
        also = _finds(trial, "externalId", trial.mark) if trial.dialect.external_id else ""
        return green(f"The account is found by userName{f', not by externalId: {also}' if also else ''}.")
    if needed:
        return red(
            f"The account is not found by userName: {by_name}. There is no list either.",
            "Ask NinjaOne's support how accounts are to be found.",
        )
    cure = 'Set [ninjaone.dialect] discovery = "list", so that accounts are read by pages.'
    return (
        green("Accounts are listed.")
        if trial.dialect.discovery == "list"
        else yellow(f"The account is not found by userName: {by_name}.", cure)
    )


def _finds(trial: Trial, name: str, value: str) -> str:
    """Say why a filter does not find the account; empty where it does, perhaps among others."""
    answer = trial.endpoint.ask("user", {"filter": f"{name} eq {scim_requests.quoted(value)}"})
    page = scim_responses.read_page(answer.body) if answer.status == 200 else None
    if page is None:
        return describe(answer)
    ids = [scim_responses.get(row, "id") for row in page.resources if isinstance(row, dict)]
    return "" if trial.account.id in map(str, ids) else "it finds no account of that id"
