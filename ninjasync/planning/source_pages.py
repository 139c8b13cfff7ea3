"""The fast way to decide on a page of users: one attribute of all of them after the other.

With ``duo.user_pages`` a tenth of a plan of 100,000 users, as nothing is called for each user and attribute. Serves
mappings of bare expressions and scopes of groups alone, and of a page the users in whose records nothing is unusual;
all others go by ``source.source_reader``. Both must agree on every record; tests/planning/test_source_pages.py sees
to that.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ninjasync.config.expression import ExpressionError, bare_terms
from ninjasync.duo.records import group_reader
from ninjasync.model.attributes import USER_NAME
from ninjasync.model.directory import Problem, User
from ninjasync.model.source import SourceUser, Standing
from ninjasync.planning.email_address import is_usual
from ninjasync.planning.mapping import INVALID, AttributeMapping, ValidForms, may_lack
from ninjasync.planning.scope import Scope

_CUSTOM = "custom_attributes"
_NO_CUSTOM: Mapping[str, Any] = {}
_Read = Callable[[Any], SourceUser | Problem]
# Takes records and their custom attributes.
_Column = Callable[[list[Any], list[Any]], list[Any]]


def page_reader(
    scope: Scope, mapping: AttributeMapping, read: _Read, note_names: Callable[..., None]
) -> Callable[[list[Any]], list[SourceUser | Problem]]:
    """Return what does of a list of records what ``read`` does of each.

    ``note_names`` is told the names of the custom attributes.
    """
    judged = scope.known
    if not mapping.bare or judged is None:
        return lambda rows: list(map(read, rows))
    steps = zip(mapping.paths, mapping.steps, strict=True)
    columns = [_valid_column(mapping.texts[path], *step) for path, step in steps]
    user_names, groups_of = _column(mapping.texts[USER_NAME], mapping.user_name), group_reader()

    def columns_of(rows: list[Any]) -> Iterator[tuple[Any, ...]]:
        given = [row[_CUSTOM] for row in rows]
        customs = [one if type(one) is dict else _NO_CUSTOM for one in given]
        note_names(*customs)
        values = zip(*(column(rows, customs) for column in columns), strict=True) if columns else [()] * len(rows)
        own = zip(*([row[name] for row in rows] for name in _FIELDS), strict=True)
        return zip(rows, own, given, map(groups_of, rows), user_names(rows, customs), values, strict=True)

    def read_page(rows: list[Any]) -> list[SourceUser | Problem]:
        try:
            usual = columns_of(rows)
        except (ExpressionError, KeyError, TypeError):  # a field is missing, or of another type than is usual
            return list(map(read, rows))
        found: list[SourceUser | Problem] = []
        for row, own, custom, groups, user_name, valid in usual:
            id_, label, username, status = own
            verdict = judged.get((groups, status)) if groups is not None and type(status) is str else None
            if (
                verdict is None
                or verdict.standing is not _IN
                or type(custom) is not dict
                or not (type(id_) is type(label) is type(username) is type(user_name) is str)
                or not id_.strip()
                or label.strip() != label
                or username.strip() != username
                or not (label and is_usual(user_name))
                or INVALID in valid
                or ((None in valid or not mapping.complete) and not may_lack(mapping, valid))
            ):
                found.append(read(row))
            else:
                desired = User(user_name, id_, True, valid)
                found.append(SourceUser(id_, label, _IN, verdict.reason, groups, desired, (), username))
        return found

    return read_page


_FIELDS = ("user_id", "email", "username", "status")
_IN = Standing.IN


def _column(text: str, expression: Callable[[Any], Any]) -> _Column:
    """Return what takes an expression's value from each record, as ``expression`` does from one."""
    terms = bare_terms(text) or []
    match [name.split(".") if function is None else [] for function, name in terms]:
        case [[name]]:
            return lambda rows, _: [row.get(name) for row in rows]
        case [["custom_attributes", name]]:
            return lambda _, customs: [custom.get(name) for custom in customs]
        case [[name], *_]:
            return lambda rows, _: [
                value if type(value := row.get(name)) is str and value and not value.isspace() else expression(row)
                for row in rows
            ]
        case _:
            return lambda rows, _: list(map(expression, rows))


def _valid_column(text: str, expression: Callable[[Any], Any], forms: ValidForms) -> _Column:
    column, form_of = _column(text, expression), forms.__getitem__
    return lambda rows, customs: list(map(form_of, column(rows, customs)))
