"""The JSON documents of ``plan``, ``show`` and ``apply`` as a JSON schema, described field by field.

Pure. A program that reads the documents must accept fields that are not here yet: a later version
may add some, and renames none (CONTRACT §4).
"""

from typing import Any

from ninjasync.model.change import GROUP_ACTIONS, USER_ACTIONS
from ninjasync.model.document import FORMAT_VERSION

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_VALUE: Schema = {"type": ["string", "boolean", "null"]}
_YES_OR_NO: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_RESOURCE: Schema = {"enum": ["user", "group"]}


def schema() -> Schema:
    """Return the schema of all three documents, and of that of a run which ended before there was a plan."""
    head = {
        "format_version": _said("the version of this form; a new field raises the second number", _TEXT),
        "ninjasync_version": _said("the version that wrote the document", _TEXT),
        "created_at": _said("when the plan was made, in UTC", {**_TEXT, "pattern": "Z$"}),
    }
    plan = {
        "digest": _said("SHA-256 over the plan itself: equal plans have equal digests", _TEXT),
        "source": _said("what was read of Duo", _counts(users="users", groups="groups", in_scope="users in scope")),
        "target": _said(
            "what was read of NinjaOne",
            _counts(users="accounts", groups="groups", managed="accounts that ninjasync manages"),
        ),
        "summary": _said(
            "how many come under which action",
            _object({"users": _said("accounts", _summary(user=True)), "groups": _said("groups", _summary(user=False))}),
        ),
        "changes": _said("what would be written, in this order; a resource has one at most", _list(_change())),
        "problems": _said("the records that are held: nothing of theirs changes", _list(_problem())),
        "guards": _said("what each guard says of the plan", _list(_guard())),
        "warnings": _said("sentences that are worth a look", _TEXTS),
    }
    run = {
        "tenant": _said("the tenant: `[state] tenant`, else Duo's host name", _TEXT),
        "organizations": _said(
            "names of the organizations in `changes`, by number, where NinjaOne's public API tells them",
            {"type": "object", "additionalProperties": _TEXT},
        ),
        "tenant_id": _said("only in a saved plan: the id of the tenant that it may be applied for", _TEXT),
        "result": _said("only of `apply`: how the run ended", _result()),
        "error": _said(
            "only where a run ended before there was a plan, in the place of all that follows `created_at`", _error()
        ),
    }
    made = _object({**head, **plan, **run}, optional=(*plan, *run))
    made["anyOf"] = [{"required": list(plan)}, {"required": ["error"]}]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"A plan of ninjasync, or what became of it (format {FORMAT_VERSION})",
        **made,
    }


def fields(found: Schema, path: str = "") -> dict[str, str]:
    """Map the path of each field below ``found``, as ``changes[].diff[].path``, to what it is."""
    described: dict[str, str] = {}
    for name, inner in found.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        described[here] = inner["description"]
        described |= fields(inner, here)
        described |= fields(inner.get("items", {}), f"{here}[]")
    return described


def _change() -> Schema:
    row = _object(
        {
            "path": _said("the attribute, by its short name where that is unambiguous; `members` of a group", _TEXT),
            "before": _said("its value in NinjaOne, null for none", _VALUE),
            "after": _said("its value afterwards, null for none", _VALUE),
            "via": _said("the temporary name by way of which a cycle of names is resolved", _TEXT),
            "added": _said("of `members`: who comes in", _TEXTS),
            "removed": _said("of `members`: who goes", _TEXTS),
        },
        optional=("before", "after", "via", "added", "removed"),
    )
    observed = _object(
        {
            "path": _said("the attribute", _TEXT),
            "sent": _said("what was sent", _TEXT_OR_NULL),
            "shown": _said("what NinjaOne showed", _TEXT_OR_NULL),
        }
    )
    return _object(
        {
            "resource": _said("`user` or `group`", _RESOURCE),
            "action": _said("what happens to it", {"enum": list(USER_ACTIONS)}),
            "key": _said("userName or displayName", _TEXT),
            "id": _said("NinjaOne's id, null of what is yet to be created", _TEXT_OR_NULL),
            "external_id": _said("the Duo id, null where none is known", _TEXT_OR_NULL),
            "privilege": _said("of users: whether the user's rights change", _YES_OR_NO),
            "diff": _said("what changes in it", _list(row)),
            "reasons": _said("why", _TEXTS),
            "withheld": _said("true where a guard keeps back all or part of it", _YES_OR_NO),
            "outcome": _said("only of `apply`: what became of it", {"enum": ["applied", "failed", "skipped"]}),
            "error": _said("only of `apply`: why not", _TEXT),
            "observed": _said("only of `apply`: what NinjaOne shows otherwise than sent", _list(observed)),
        },
        optional=("privilege", "withheld", "outcome", "error", "observed"),
    )


def _problem() -> Schema:
    return _object(
        {
            "resource": _said("`user` or `group`", _RESOURCE),
            "key": _said("what people call it", _TEXT),
            "external_id": _said("the Duo id, null where none is known", _TEXT_OR_NULL),
            "code": _said("which problem; the codes stay the same", _TEXT),
            "message": _said("what is wrong, and with which line of the configuration", _TEXT),
        }
    )


def _guard() -> Schema:
    return _object(
        {
            "name": _said("which guard", _TEXT),
            "tripped": _said("whether it stands in the way", _YES_OR_NO),
            "message": _said("the figures, and the limit", _TEXT),
            "approve": _said("the option that lifts it, empty where none does", _TEXT),
        }
    )


def _result() -> Schema:
    return _counts(
        applied="changes that were written",
        failed="changes that were not, see their `error`",
        skipped="changes that were not tried",
        exit_code="the exit code",
    )


def _error() -> Schema:
    return _object(
        {
            "message": _said("what failed", _TEXT),
            "hint": _said("what to do, or empty", _TEXT),
            "mistakes": _said("of a configuration: each mistake", _TEXTS),
            "exit_code": _said("the exit code", _NUMBER),
        }
    )


def _summary(*, user: bool) -> Schema:
    actions: dict[str, Schema] = {
        action: _said(f"to {action}", _NUMBER) for action in (USER_ACTIONS if user else GROUP_ACTIONS)
    }
    held = {"held": _said("held, see `problems`", _NUMBER)} if user else {}
    unknown = {"type": ["integer", "null"], "minimum": 0}
    return _object(
        {
            **actions,
            "unchanged": _said("as they should be", _NUMBER),
            **held,
            "unmanaged": _said("not ninjasync's; null where NinjaOne was not listed", unknown),
        }
    )


def _counts(**described: str) -> Schema:
    return _object({name: _said(words, _NUMBER) for name, words in described.items()})


def _said(words: str, found: Schema) -> Schema:
    return {"description": words, **found}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}
