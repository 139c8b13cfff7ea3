"""[duo]: the application that users and groups are read with. Knows no other table."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeFloat

from ninjasync.config.section import File, PositiveSeconds, Secret, Section
from ninjasync.config.urls import check_duo_host, check_optional_proxy


def _check_account_id(text: str) -> str:
    if text.strip() and not re.fullmatch("DA[A-Za-z0-9]+", text.strip()):
        raise ValueError("allowed: the id of a child account (DA and 18 more characters), or nothing")
    return text.strip()


class Duo(Section):
    """The source: a Duo Admin API application with the permission "Grant resource - Read"."""

    api_hostname: Annotated[str, AfterValidator(check_duo_host)] = Field(
        description='"API hostname" of that application', examples=["api-XXXXXXXX.duosecurity.com"]
    )
    integration_key: Annotated[str, Field(min_length=1)] = Field(
        description='"Integration key"', examples=["DIXXXXXXXXXXXXXXXXXX"]
    )
    secret_key: Secret = Field(
        description=(
            'where the "Secret key" is kept. One of\n'
            '  { env = "NAME" }                 an environment variable\n'
            '  { file = "duo.secret" }          a file that holds it alone\n'
            '  { keyring = "service/user" }     the system\'s keyring (extra "keyring")\n'
            '  { command = ["op", "read", "…"] }  what a command prints\n'
            '  "the secret itself"              if this file is for your eyes only'
        ),
        examples=[{"env": "DUO_SECRET_KEY"}],
    )
    ca_file: File = Field("", description='certificates to trust instead of Duo\'s own: a PEM file, or "system"')
    proxy: Annotated[str, AfterValidator(check_optional_proxy)] = Field(
        "", description="http://host:port; empty: HTTPS_PROXY, ALL_PROXY and NO_PROXY"
    )
    timeout: PositiveSeconds = Field(30, description="seconds to wait for a connection and for each answer")
    rate_limit: NonNegativeFloat = Field(50, description="calls a minute; the first 50 go at once. 0: no limit")
    account_id: Annotated[str, AfterValidator(_check_account_id)] = Field(
        "", description="a child account (DA…), read with the keys of its parent's Accounts API"
    )
