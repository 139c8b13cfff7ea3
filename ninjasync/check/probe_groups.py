"""What a probe does with a throw-away group: create, rename, add and remove its one member, delete.

No other account becomes a member, and nothing maps a role to the group.
"""

from typing import Any

from ninjasync.check.throwaway import ProbeResource
from ninjasync.check.trial import RefusedError, Trial, method_for_groups
from ninjasync.config.ninjaone import Dialect
from ninjasync.model.attributes import DISPLAY_NAME, EXTERNAL_ID, MEMBERS
from ninjasync.model.change import Delta
from ninjasync.model.finding import Finding, green, red, yellow
from ninjasync.ninjaone import scim_requests, scim_responses
from ninjasync.ninjaone.endpoint import PATHS, describe, place
from ninjasync.ninjaone.statuses import of_one

_NO_ONE = "00000000-0000-0000-0000-000000000000"


def change(trial: Trial) -> None:
    """Try a group's whole life."""
    walk = _Walk(trial)
    if not trial.step("create a group", ("external_id",), walk.create):
        return
    trial.step("rename a group", ("group_patch",), walk.rename)
    if walk.add_members():
        trial.step("remove a member", _keys(trial, "group_patch", "member_removal"), walk.remove_member)
        if method_for_groups(trial.dialect) == "patch":
            trial.found("members per call", walk.many_members())
    walk.delete()


def _keys(trial: Trial, *keys: str) -> tuple[str, ...]:
    """Return the keys to vary; where accounts are changed by PUT, the operations' letter case is not known yet."""
    return (*keys, "patch_op_case") if trial.dialect.patch == "put" else keys


class _Walk:
    """The group and what is known of how it shows its members."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._group = ProbeResource("group", trial.mark)
        self._witness = ""  # what shows members: "the group", "the account", "a filter"

    # --- steps -------------------------------------------------------------------------------

    def create(self, dialect: Dialect) -> Finding:
        trial, group = self._trial, self._group
        text = "A group was made."
        try:
            row = trial.post(group, scim_requests.new_group(group.name, group.name, [trial.account.id], dialect))
        except RefusedError as refused:
            row = trial.post(group, scim_requests.new_group(group.name, group.name, [], dialect))
            text += f" It may have no member from the beginning ({refused})."
        if dialect.external_id:
            kept = scim_responses.value_at(row, EXTERNAL_ID)
            text += " It keeps externalId." if kept == group.name else " It does not keep externalId as it was sent."
        is_member = self._is_member()
        if is_member:
            return green(f"{text} Its member came with it.")
        return green(f"{text} It shows no member that was sent with it; members are added afterwards.")

    def rename(self, dialect: Dialect) -> Finding:
        group = self._group
        name = f"{group.name} 2" if not group.name.endswith(" 2") else group.name.removesuffix(" 2")
        how = self._modify(
            scim_requests.patch((Delta(DISPLAY_NAME, group.name, name),), dialect), dialect, {DISPLAY_NAME: name}
        )
        row = self._trial.endpoint.look("group", group.id)
        shown = scim_responses.value_at(row, DISPLAY_NAME) if row else None
        if shown is not None and shown.casefold() != name.casefold():
            raise RefusedError(f'it was accepted, but the name stayed "{shown}"')
        group.name = name
        return green(f"The group has another name.{_unusual(how, dialect)}")

    def add_members(self) -> bool:
        """Find a way to add a member that can be seen; where none can, go by what is accepted."""
        trial, keys = self._trial, _keys(self._trial, "group_patch")
        done, refusals = trial.tried(keys, self._add)
        if done is None:  # a PUT would lose the members that a group does not show, so it comes last
            done, _ = trial.tried(keys, lambda dialect: self._add_unseen(dialect, refusals[0], put=False))
        if done is None:
            return trial.step("group members", keys, lambda dialect: self._add_unseen(dialect, refusals[0], put=True))
        trial.found("group members", done)
        return True

    def remove_member(self, dialect: Dialect) -> Finding:
        if self._witness and not self._is_member():  # an earlier try took it out
            self._send_member(dialect, add=True)
        how = self._send_member(dialect, add=False)
        if self._is_member():
            raise RefusedError("removing a member was accepted, but it stayed")
        seen = f"as {self._witness} shows" if self._witness else "as far as can be seen"
        return green(f"The member was removed, {seen}.{_unusual(how, dialect)}")

    def many_members(self) -> Finding:
        """See how many members one request may have, by naming the same one that often."""
        size = self._trial.dialect.members_per_call
        refusal = self._refusal_of(size)
        if not refusal:
            return green(f"{size} members go in one request.")
        if size < 2 or self._refusal_of(2):
            return green("It is not known how many members go in one request.")
        fits, too_many = 2, size
        while too_many - fits > 1:
            self._trial.go_on()
            middle = (fits + too_many) // 2
            fits, too_many = (middle, too_many) if not self._refusal_of(middle) else (fits, middle)
        self._trial.dialect = self._trial.dialect.model_copy(update={"members_per_call": fits})
        return green(f"{fits} members go in one request. Only with members_per_call = {fits}: else {refusal}.")

    def delete(self) -> None:
        """Delete the group, and see whether another of its name can be created."""
        trial, group = self._trial, self._group
        answer = trial.endpoint.send("DELETE", place("group", group.id))
        if of_one(answer.status) == "failed":
            cure = 'Leave [groups] removed = "keep".'
            trial.found("delete a group", red(f"Refused: {describe(answer)}.", cure))
            return
        trial.made.remove(group)
        trial.made.append(group)  # by its name alone from here on
        group.id = ""
        answer = trial.endpoint.send(
            "POST", PATHS["group"], scim_requests.new_group(group.name, group.name, [], trial.dialect)
        )
        if not trial.was_made(group, answer):
            text = f"A deleted group cannot be created again: {describe(answer)}."
            trial.found("delete a group", yellow(text, 'Leave [groups] removed = "keep".'))
            return
        trial.discard(group)
        trial.found("delete a group", green("The group was deleted, created again and deleted."))

    # --- requests ----------------------------------------------------------------------------

    def _add(self, dialect: Dialect) -> Finding:
        how = self._send_member(dialect, add=True)
        if _unusual(how, dialect):  # a run would find that out again for each group
            raise RefusedError("NinjaOne has no PATCH for groups")
        is_member = self._is_member()
        if is_member is None:
            raise RefusedError("it was accepted, and nothing shows the member")
        if not is_member:
            raise RefusedError("it was accepted, but the member is not there")
        if how == "PUT" and self._witness != "the group":
            raise RefusedError("groups do not show their members, and a PUT would lose them")
        return green(f"A member was added, as {self._witness} shows.")

    def _add_unseen(self, dialect: Dialect, why: str, *, put: bool) -> Finding:
        if not put and method_for_groups(dialect) == "put":
            raise RefusedError("groups do not show their members, and a PUT would lose them")
        how = self._send_member(dialect, add=True)
        if not put and how == "PUT":
            raise RefusedError("NinjaOne has no PATCH for groups, and a PUT would lose members that are not shown")
        return yellow(
            f"A member was added as far as can be seen ({why}).{_unusual(how, dialect)}",
            "Nothing to do: the ledger knows who is in which group; back it up.",
        )

    def _send_member(self, dialect: Dialect, *, add: bool) -> str:
        account = self._trial.account.id
        body = scim_requests.member_patch([account] if add else [], [] if add else [account], dialect)
        return self._modify(body, dialect, {MEMBERS: [{"value": account}] if add else []})

    def _modify(self, patch: Any, dialect: Dialect, changed: dict[str, Any]) -> str:
        def replaced(row: dict[str, Any]) -> dict[str, Any]:
            names = {"meta", *(name.casefold() for name in changed)}
            return {key: value for key, value in row.items() if key.casefold() not in names} | changed

        return self._trial.modify(self._group, method_for_groups(dialect), patch, replaced)

    def _refusal_of(self, number: int) -> str:
        """Say why one request cannot have so many members; empty where it can."""
        body = scim_requests.member_patch([self._trial.account.id] * number, [], self._trial.dialect)
        answer = self._trial.endpoint.send("PATCH", place("group", self._group.id), body)
        return "" if answer.status < 300 else describe(answer)

    # --- who is a member ---------------------------------------------------------------------

    def _is_member(self) -> bool | None:
        """Whether the account is in the group; None where nothing has ever shown a member."""
        for name, look in (
            ("the group", self._shown_by_group),
            ("the account", self._shown_by_account),
            ("a filter", self._shown_by_filter),
        ):
            if self._witness in ("", name) and look():
                self._witness = name
                return True
        return False if self._witness else None

    def _shown_by_group(self) -> bool:
        row = self._trial.endpoint.look("group", self._group.id)
        members = scim_responses.read_group(row).members if row else None
        return _among(self._trial.account.id, members or ())

    def _shown_by_account(self) -> bool:
        row = self._trial.endpoint.look("user", self._trial.account.id)
        groups = scim_responses.get(row, "groups") if row else None
        rows = groups if isinstance(groups, list) else []
        return _among(self._group.id, [str(scim_responses.get(one, "value")) for one in rows if isinstance(one, dict)])

    def _shown_by_filter(self) -> bool:
        """Ask for the group with this member; what answers so for an id of none, too, is no witness."""
        return self._hit_by_filter(self._trial.account.id) and not self._hit_by_filter(_NO_ONE)

    def _hit_by_filter(self, member: str) -> bool:
        query = f"id eq {scim_requests.quoted(self._group.id)} and {MEMBERS} eq {scim_requests.quoted(member)}"
        answer = self._trial.endpoint.ask("group", {"filter": query})
        page = scim_responses.read_page(answer.body) if answer.status == 200 else None
        rows = page.resources if page else ()
        return _among(self._group.id, [str(scim_responses.get(row, "id")) for row in rows if isinstance(row, dict)])


def _among(id_: str, others: Any) -> bool:
    return id_.casefold() in {other.casefold() for other in others}


def _unusual(how: str, dialect: Dialect) -> str:
    other = how.lower() != method_for_groups(dialect)
    return " NinjaOne has no PATCH for that; it was replaced as a whole (PUT)." if other else ""
