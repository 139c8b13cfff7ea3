"""The errors of a SCIM service provider (RFC 7644 §3.12).

Knows how an error is worded on the wire; must not know what led to it.
"""

from __future__ import annotations

from ninjasync.sandbox.exchange import Json

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """A refusal: HTTP status, sentence for people and, for 400 and 409, a ``scimType``."""

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type

    def document(self) -> Json:
        """Return the error as a JSON document; ``status`` is a string (RFC 7644 §3.12)."""
        document: Json = {"schemas": [ERROR_SCHEMA], "status": str(self.status), "detail": self.detail}
        if self.scim_type is not None:
            document["scimType"] = self.scim_type
        return document


def invalid_value(detail: str) -> ScimError:
    """Return a value that is missing or of the wrong type or form (RFC 7644 table 9)."""
    return ScimError(400, detail, "invalidValue")


def invalid_syntax(detail: str) -> ScimError:
    """Return a body whose structure is wrong (RFC 7644 table 9)."""
    return ScimError(400, detail, "invalidSyntax")


def invalid_path(detail: str) -> ScimError:
    """Return a path that cannot be parsed or names nothing in the schema (RFC 7644 table 9)."""
    return ScimError(400, detail, "invalidPath")


def invalid_filter(detail: str) -> ScimError:
    """Return a filter that cannot be parsed or compares what cannot be compared (RFC 7644 table 9)."""
    return ScimError(400, detail, "invalidFilter")


def no_target(detail: str) -> ScimError:
    """Return a path that leads to nothing that could be changed (RFC 7644 table 9)."""
    return ScimError(400, detail, "noTarget")


def not_found(what: str) -> ScimError:
    """There is no such resource or endpoint."""
    return ScimError(404, f"{what} not found")
