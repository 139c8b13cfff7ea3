"""What a probe does with its throw-away account: create, change, rename, deactivate, delete, create again.

The account is the least that NinjaOne has, an end user, and is never given more.
"""

from typing import Any

from ninjasync.check.trial import ASK, RefusedError, Trial
from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import UnreachableError
from ninjasync.model.attributes import (
    ACTIVE,
    DISPLAY_NAME,
    EXTERNAL_ID,
    FAMILY_NAME,
    GIVEN_NAME,
    ORGANIZATION_ID,
    USER_NAME,
    USER_TYPE,
    short_names,
)
from ninjasync.model.change import Delta
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.model.values import ALL_ORGANIZATIONS, differs, same_value
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import PATHS, describe, place
from ninjasync.ninjaone.statuses import of_one

_RIGHTS = (USER_TYPE, ORGANIZATION_ID)
_BASE = (USER_NAME, GIVEN_NAME, FAMILY_NAME)
# What may be changed to see whether changes are taken: text that means nothing.
_TEXTS = (FAMILY_NAME, GIVEN_NAME, "name.formatted", DISPLAY_NAME, "nickName")
# Attributes whose value may be removed to see whether removals are accepted.
_OPTIONAL = ("title", "nickName", DISPLAY_NAME, "preferredLanguage", "locale", "timezone")
_KEEP_DELETED = "Set [deprovision] delete_after_days = -1, so that leavers' accounts stay, inactive."


def create(trial: Trial) -> bool:
    """Create the account with all that is mapped; find out which attribute is in the way where that is refused."""
    keys = _creation_keys(trial)
    done, refusals = trial.tried(keys, lambda dialect: _create(trial, dialect))
    if done is not None:
        trial.found("create", done)
        return True
    if _create_with_less(trial, keys, refusals[0]):
        return True
    trial.found("create", red(f"Refused, tried in {len(refusals)} ways: {refusals[0]}.", ASK))
    return False


def change(trial: Trial) -> None:
    """Change the account in all the ways that a run may."""
    trial.step("patch", ("patch", "patch_op_case"), lambda dialect: _change_text(trial, dialect))
    if ORGANIZATION_ID in trial.values:
        keys = frozenset(trial.endpoint.look("user", trial.account.id) or ())
        trial.step("patch extension", ("patch", "organization_id_type"), lambda dialect: _move(trial, dialect, keys))
    if path := next((path for path in _OPTIONAL if path in trial.values), None):
        trial.step("remove a value", ("patch",), lambda dialect: _remove_value(trial, path, dialect), _no_removal)
    trial.step("rename", ("patch",), lambda dialect: _rename(trial, dialect))
    if trial.dialect.external_id:
        trial.step("externalId", (), lambda dialect: _change_external_id(trial, dialect), _same_external_id)
    if trial.step("deactivate", ("patch", "booleans"), lambda dialect: _activate(trial, dialect, to=False)):
        trial.step("reactivate", (), lambda dialect: _activate(trial, dialect, to=True))


def remove(trial: Trial) -> None:
    """Delete the account, and see whether another of its name can be created."""
    account = trial.account
    answer = trial.endpoint.send("DELETE", place("user", account.id))
    if of_one(answer.status) == "failed":
        trial.found("delete", red(f"Refused: {describe(answer)}.", _KEEP_DELETED))
        return
    row = trial.endpoint.look("user", account.id)
    trial.made.remove(account)
    if row is not None:
        active = scim_responses.value_at(row, ACTIVE)
        text = f"NinjaOne says that it deleted the account, and still shows it (active: {active})."
        cure = f"Look in the NinjaOne console whether {account.name} is there; remove it if it is."
        trial.found("delete", yellow(text, cure))
        return
    trial.found("delete", green("The account is gone."))
    trial.found("create again", _create_again(trial))


# --- creating --------------------------------------------------------------------------------


def _creation_keys(trial: Trial) -> tuple[str, ...]:
    organization = trial.values.get(ORGANIZATION_ID)
    keys = ("all_value",) if organization == ALL_ORGANIZATIONS else ("organization_id_type",) if organization else ()
    return (*keys, "booleans", "external_id")


def _create(trial: Trial, dialect: Dialect) -> Finding:
    values = trial.values
    deltas = [Delta(path, None, value) for path, value in values.items()]
    trial.account.name = values[USER_NAME]
    row = trial.post(trial.account, scim_requests.new_user(trial.mark, deltas, dialect))
    for path in _RIGHTS:
        shown = scim_responses.value_at(row, path)
        if path in values and shown is not None and not same_value(path, shown, values[path]):
            trial.discard(trial.account)
            name = path.rpartition(":")[2]
            raise RefusedError(f'it was created, but {name} "{values[path]}" became "{shown}"')
    kept = scim_responses.value_at(row, EXTERNAL_ID)
    text = f"An end user of {trial.subject.why}."
    if dialect.external_id:
        text += (
            " It keeps externalId."
            if kept == trial.mark
            else " It does not show externalId."
            if not kept
            else (f' It made externalId "{kept}" of "{trial.mark}".')
        )
    hidden = [name for path, name in short_names(values).items() if scim_responses.value_at(row, path) is None]
    return green(text + (f" It does not show {', '.join(hidden)}." if hidden else ""))


def _create_with_less(trial: Trial, keys: tuple[str, ...], why: str) -> bool:
    """Create the account without what is refused, and name it. Rights are left out where they are unknown alone."""
    wanted, names = dict(trial.values), short_names(trial.values)
    # Without them a real NinjaOne would make a user of all organizations, so an answer must say that it is these.
    unknown = why.startswith("HTTP 4") and any(
        word in why.casefold() for word in ("usertype", "organizationid", "extension", "schema", "urn:")
    )
    kept = {path: value for path, value in wanted.items() if path in _BASE or (path in _RIGHTS and not unknown)}
    if kept == wanted:
        return False
    trial.values = dict(kept)
    done, _ = trial.tried(keys, lambda dialect: _create(trial, dialect))
    if done is None:
        trial.values = wanted
        return False
    refused: list[str] = []
    for some in (*((path,) for path in wanted if path not in kept and path not in _RIGHTS), _RIGHTS):
        more = {path: wanted[path] for path in some if path in wanted and path not in kept}
        if not more:
            continue
        trial.discard(trial.account)
        trial.values = trial.values | more
        if trial.tried(keys, lambda dialect: _create(trial, dialect))[0] is None:
            refused += more
            trial.values = {path: value for path, value in trial.values.items() if path not in more}
            trial.tried(keys, lambda dialect: _create(trial, dialect))
    if not trial.account.id:
        return False
    left_out = " and ".join(names[path] for path in refused)
    trial.found(
        "create", yellow(f"{done.text} It refuses {left_out}: {why}.", f"Leave {left_out} out of [attributes].")
    )
    return True


def _create_again(trial: Trial) -> Finding:
    again = trial.account
    trial.made.append(again)
    again.id = ""
    deltas = [Delta(path, None, value) for path, value in trial.values.items()]
    answer = trial.endpoint.send("POST", PATHS["user"], scim_requests.new_user(trial.mark, deltas, trial.dialect))
    if not trial.was_made(again, answer):
        return yellow(f"A deleted account cannot be created again: {describe(answer)}.", _KEEP_DELETED)
    trial.discard(again)
    return green("An account of the same name was created once more, and deleted.")


# --- changing --------------------------------------------------------------------------------


def _changed(trial: Trial, diff: tuple[Delta, ...], dialect: Dialect) -> tuple[dict[str, Any] | None, str]:
    """Change the account; return what NinjaOne then shows, None where nothing, and by which method it was done."""
    whole = tuple((path, value) for path, value in trial.values.items() if path != USER_NAME)
    how = trial.modify(
        trial.account,
        dialect.patch,
        scim_requests.patch(diff, dialect),
        lambda row: scim_requests.put_resource(row, diff, whole, dialect),
    )
    return trial.endpoint.look("user", trial.account.id), how


def _written(trial: Trial, path: str, value: str, dialect: Dialect) -> tuple[str | None, str]:
    """Give an attribute another value; return what NinjaOne then shows of it, and how that was done."""
    row, how = _changed(trial, (Delta(path, trial.values.get(path), value),), dialect)
    if row is None:
        raise UnreachableError("The account vanished after it was changed.", ASK)
    shown = scim_responses.value_at(row, path)
    if shown is not None and differs(path, shown, value):
        raise RefusedError(f'it was accepted, but {path.rpartition(":")[2]} stayed "{shown}"')
    trial.values[path] = value
    return shown, _unusual(how, dialect.patch)


def _unusual(how: str, method: str) -> str:
    return " NinjaOne has no PATCH for that; it was replaced as a whole (PUT)." if how.lower() != method else ""


def _change_text(trial: Trial, dialect: Dialect) -> Finding:
    path = next((path for path in _TEXTS if path in trial.values), None)
    if path is None:
        return green("No attribute is mapped that could be changed without harm.")
    value = trial.values[path]
    _, also = _written(trial, path, value + ("I" if value.endswith("I") else " II"), dialect)
    if also:  # a run would find that out again for each account
        raise RefusedError("NinjaOne has no PATCH for accounts")
    return green("One attribute was changed.")


def _move(trial: Trial, dialect: Dialect, before: frozenset[str]) -> Finding:
    """Change the organization to another that people have; where there is none, look where the same one lands.

    ``before`` are the names that the account had before the first try.
    """
    there, other = trial.values[ORGANIZATION_ID], trial.subject.elsewhere
    wanted = trial.subject.organization if there == other else other or there
    shown, also = _written(trial, ORGANIZATION_ID, wanted, dialect)
    after = trial.endpoint.look("user", trial.account.id) or {}
    astray = sorted(key for key in after if key not in before and "organizationid" in key.casefold())
    if astray and dialect.patch == "patch" and (shown is None or wanted == there):
        raise RefusedError(f"it was accepted, and landed in {astray[0]}")
    what = "organizationId was changed" if wanted != there else "organizationId was written once more"
    return green(f"{what}.{also}" + (" NinjaOne does not show it." if shown is None else ""))


def _remove_value(trial: Trial, path: str, dialect: Dialect) -> Finding:
    row, how = _changed_without(trial, path, dialect)
    shown = scim_responses.value_at(row, path) if row else None
    if shown is not None:
        raise RefusedError(f'it was accepted, but {path} stayed "{shown}"')
    return green(f"{path} was removed.{_unusual(how, dialect.patch)}")


def _changed_without(trial: Trial, path: str, dialect: Dialect) -> tuple[dict[str, Any] | None, str]:
    before = trial.values.pop(path)
    try:
        return _changed(trial, (Delta(path, before, None),), dialect)
    except BaseException:
        trial.values[path] = before
        raise


def _no_removal(text: str) -> Finding:
    return yellow(f"A value cannot be removed. {text}", "Nothing to do: a value that is gone in Duo stays in NinjaOne.")


def _rename(trial: Trial, dialect: Dialect) -> Finding:
    """Give the account another userName, and look for it there."""
    local, _, domain = trial.subject.user_name.partition("@")
    name = trial.subject.user_name if trial.account.name != trial.subject.user_name else f"{local}-2@{domain}"
    _, also = _written(trial, USER_NAME, name, dialect)
    trial.account.name = name
    return green(f"The account has another userName.{also}")


def _change_external_id(trial: Trial, dialect: Dialect) -> Finding:
    """Write another externalId, as an adoption does."""
    other = f"{trial.mark}-2"
    row, how = _changed(trial, (Delta(EXTERNAL_ID, trial.mark, other),), dialect)
    shown = scim_responses.value_at(row, EXTERNAL_ID) if row else None
    if shown is not None and shown != other:
        if shown.casefold() == other.casefold():
            return yellow(f'externalId is kept in another letter case ("{shown}").', "Nothing to do; it is recognized.")
        raise RefusedError(f'it was accepted, but externalId stayed "{shown}"')
    return green(f"externalId was changed.{_unusual(how, dialect.patch)}" + ("" if shown else " It is not shown."))


def _same_external_id(text: str) -> Finding:
    return yellow(
        f"An externalId stays what it was. {text}",
        "Nothing to do: who is taken over keeps the one that is there, and the ledger knows whose the account is.",
    )


def _activate(trial: Trial, dialect: Dialect, *, to: bool) -> Finding:
    row, how = _changed(trial, (Delta(ACTIVE, not to, to),), dialect)
    also = _unusual(how, dialect.patch)
    if row is None:
        if to:
            raise UnreachableError("The account vanished after it was changed.", ASK)
        return green(f"The account is no longer shown, as if it were deleted.{also}")
    shown = scim_responses.value_at(row, ACTIVE)
    if shown is not None and _BOOLEANS.get(shown.casefold(), to) is not to:
        raise RefusedError(f"it was accepted, but active stayed {shown}")
    if to:
        return green(f"The account is active again.{also}")
    left_out = "" if shown else " NinjaOne leaves active out then."
    return green(f"The account is inactive, and still shown.{left_out}{also}")


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
