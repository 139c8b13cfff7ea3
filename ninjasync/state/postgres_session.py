"""What a session with a PostgreSQL server is like, for the ledger as for a fleet, and why there can be none.

One rule for both: the server's end notices a machine that is gone as ours does, a server
that need not prove who it is is warned of, and no reason that is told holds a password. Connects to nothing itself.
"""

import logging
from collections.abc import Mapping
from functools import cache

from ninjasync.state.postgres_address import DEAF, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVES, Address

log = logging.getLogger(__name__)

# What holds for a session alone, and needs no right: the server's end of the address's keepalives.
SETTINGS: Mapping[str, str] = {
    "tcp_keepalives_idle": str(KEEPALIVE_IDLE),
    "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL),
    "tcp_keepalives_count": str(KEEPALIVES),
    "tcp_user_timeout": str(DEAF * 1000),
}
# Takes their names and their values. An older server does not know all of them; one that waits for its replicas as
# well goes on doing so.
SET = """
    SELECT set_config(wanted.name, wanted.value, false)
    FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) JOIN pg_settings USING (name)
    WHERE NOT (wanted.name = 'synchronous_commit' AND pg_settings.setting = 'remote_apply')"""


@cache  # once for each place in this process, which connects to it several times
def warn_if_unverified(key: str, place: str, mode: str) -> None:
    """Warn where the server need not prove that it is the right one; ``mode`` is ``Address.unverified``."""
    if mode:
        log.warning(
            "%s: with sslmode=%s the server of %s need not prove that it is the right one; verify-full makes it.",
            *(key, mode, place),
        )


def reason_of(error: Exception, address: Address) -> str:
    """Return what a failure to connect, or to go on, says of itself, in one line and without the password."""
    why = (str(error).strip().splitlines() or ["no reason was given"])[0].rstrip(".")
    password = str(address.parameters.get("password", ""))
    return why.replace(password, "***") if password else why
