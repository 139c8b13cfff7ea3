"""The values that NinjaOne's own attributes may have, and which two of them are the same."""

from ninjasync.model.attributes import ORGANIZATION_ID, USER_TYPE
from ninjasync.names_alike import folded

ALL_ORGANIZATIONS = "All"


TECHNICIAN = "technician"


END_USER = "endUser"


# What NinjaOne makes of an attribute that it was not given: no value is desired, this one is there.
_SERVER_DEFAULTS = {USER_TYPE: "enduser", ORGANIZATION_ID: "all"}


def same_value(path: str, actual: str | None, desired: str | None) -> bool:
    """Whether ``actual`` is as good as ``desired``, though perhaps in another form.

    ``userType`` and ``organizationId`` are read back without regard to case and to
    leading zeros; where none is desired, what NinjaOne gives by default is as good.
    """
    if actual == desired:
        return True
    if path not in _SERVER_DEFAULTS:
        return False
    form = (actual or "").casefold()
    if form.isdigit():
        form = form.lstrip("0") or "0"
    return form in ("", _SERVER_DEFAULTS[path]) if desired is None else form == desired.casefold()


def differs(path: str, shown: str | None, sent: str | None) -> bool:
    """Whether NinjaOne shows something else than was sent, other than in case or form."""
    return not same_value(path, shown, sent) and folded(shown or "") != folded(sent or "")
