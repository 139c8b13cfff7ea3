"""What a User and a Group are made of, and the documents that tell a client so (RFC 7643 §5 to §7).

Knows names, types, case rules and who may write what. Must not know values, requests or the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ninjasync.sandbox.exchange import Json

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
NINJAONE_USER = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute definition (RFC 7643 §7); ``sub`` are the sub-attributes of a complex one.

    ``number_ok`` says that a JSON number is taken for a string attribute and stored as a string.
    """

    name: str
    description: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    references: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    sub: tuple[Attribute, ...] = ()
    number_ok: bool = False
    children: Mapping[str, Attribute] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "children", index_by_name(self.sub))

    @property
    def read_only(self) -> bool:
        """Whether a client cannot write it at all."""
        return self.mutability == "readOnly"


def index_by_name(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    """Return the attributes by lower-cased name: names are case-insensitive (RFC 7643 §2.1)."""
    return {attribute.name.lower(): attribute for attribute in attributes}


def _multi(name: str, description: str, *, value: str = "string", exact: bool = False) -> Attribute:
    """Return a multi-valued attribute of the usual form (RFC 7643 §2.4)."""
    return Attribute(
        name,
        description,
        "complex",
        multi=True,
        sub=(
            Attribute("value", "The value itself.", value, case_exact=exact),
            Attribute("display", "A label for people."),
            Attribute("type", "What it is for, such as work or home."),
            Attribute("primary", "Whether it is the preferred one.", "boolean"),
        ),
    )


_COMMON = (
    Attribute("schemas", "The schemas in use.", "reference", multi=True, case_exact=True, returned="always"),
    Attribute(
        "id",
        "The service's own identifier.",
        case_exact=True,
        mutability="readOnly",
        returned="always",
        uniqueness="server",
    ),
    Attribute("externalId", "The client's own identifier.", case_exact=True),
    Attribute(
        "meta",
        "What the service notes about the resource.",
        "complex",
        mutability="readOnly",
        sub=(
            Attribute("resourceType", "User or Group.", case_exact=True, mutability="readOnly"),
            Attribute("created", "When it was made.", "dateTime", mutability="readOnly"),
            Attribute("lastModified", "When it last changed.", "dateTime", mutability="readOnly"),
            Attribute("location", "Its address.", "reference", case_exact=True, mutability="readOnly"),
            Attribute("version", "Its entity tag.", case_exact=True, mutability="readOnly"),
        ),
    ),
)

_USER = (
    Attribute(
        "userName",
        "The e-mail address that the user signs in with.",
        required=True,
        uniqueness="server",
    ),
    Attribute(
        "name",
        "The parts of the user's name.",
        "complex",
        sub=(
            Attribute("formatted", "The whole name."),
            Attribute("familyName", "The family name."),
            Attribute("givenName", "The given name."),
            Attribute("middleName", "The middle name."),
            Attribute("honorificPrefix", "What goes before the name."),
            Attribute("honorificSuffix", "What goes after the name."),
        ),
    ),
    Attribute("displayName", "The name shown to people."),
    Attribute("nickName", "The casual name."),
    Attribute("title", "The job title."),
    Attribute("preferredLanguage", "The language the user prefers."),
    Attribute("locale", "The user's locale."),
    Attribute("timezone", "The user's time zone."),
    Attribute("active", "Whether the account may be used.", "boolean"),
    _multi("emails", "E-mail addresses."),
    _multi("phoneNumbers", "Telephone numbers."),
    Attribute(
        "groups",
        "The groups the user is in.",
        "complex",
        multi=True,
        mutability="readOnly",
        sub=(
            Attribute("value", "The group's identifier.", case_exact=True, mutability="readOnly"),
            Attribute(
                "$ref",
                "The group's address.",
                "reference",
                case_exact=True,
                mutability="readOnly",
                references=("Group",),
            ),
            Attribute("display", "The group's name.", mutability="readOnly"),
            Attribute("type", "Always direct.", mutability="readOnly"),
        ),
    ),
)

_NINJAONE_USER = (
    Attribute("userType", "What the account is for.", case_exact=True, canonical=("technician", "endUser")),
    Attribute("organizationId", "The organization's number, or All.", number_ok=True),
)

_GROUP = (
    Attribute("displayName", "The group's name.", required=True, uniqueness="server"),
    Attribute(
        "members",
        "The users in the group.",
        "complex",
        multi=True,
        sub=(
            Attribute("value", "The user's identifier.", required=True, case_exact=True, mutability="immutable"),
            Attribute(
                "$ref",
                "The user's address.",
                "reference",
                case_exact=True,
                mutability="immutable",
                references=("User",),
            ),
            Attribute("type", "Always User.", mutability="immutable", canonical=("User",)),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type (RFC 7643 §6): its core attributes, with the common ones, and its extensions."""

    name: str
    endpoint: str
    schema: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Mapping[str, Attribute]]

    def extension(self, urn: str) -> str | None:
        """Return the extension's URN as registered, however its letters are cased; None if it is unknown."""
        return next((known for known in self.extensions if known.lower() == urn.lower()), None)


USER = Kind("User", "/Users", CORE_USER, index_by_name(_COMMON + _USER), {NINJAONE_USER: index_by_name(_NINJAONE_USER)})
GROUP = Kind("Group", "/Groups", CORE_GROUP, index_by_name(_COMMON + _GROUP), {})
KINDS: Mapping[str, Kind] = {"User": USER, "Group": GROUP}


def _attribute_document(attribute: Attribute) -> Json:
    document: Json = {
        "name": attribute.name,
        "type": attribute.type,
        "multiValued": attribute.multi,
        "description": attribute.description,
        "required": attribute.required,
        "mutability": attribute.mutability,
        "returned": attribute.returned,
    }
    if attribute.type in ("string", "reference"):
        document |= {"caseExact": attribute.case_exact, "uniqueness": attribute.uniqueness}
    if attribute.type == "reference":
        document["referenceTypes"] = list(attribute.references) or ["uri"]
    if attribute.canonical:
        document["canonicalValues"] = list(attribute.canonical)
    if attribute.sub:
        document["subAttributes"] = [_attribute_document(sub) for sub in attribute.sub]
    return document


def _schema(urn: str, name: str, description: str, attributes: Iterable[Attribute]) -> Json:
    return {
        "schemas": [_CORE + "Schema"],
        "id": urn,
        "name": name,
        "description": description,
        "attributes": [_attribute_document(attribute) for attribute in attributes],
        "meta": {"resourceType": "Schema"},
    }


def _resource_type(kind: Kind, description: str) -> Json:
    return {
        "schemas": [_CORE + "ResourceType"],
        "id": kind.name,
        "name": kind.name,
        "endpoint": kind.endpoint,
        "description": description,
        "schema": kind.schema,
        "schemaExtensions": [{"schema": urn, "required": False} for urn in kind.extensions],
        "meta": {"resourceType": "ResourceType"},
    }


SCHEMAS: Mapping[str, Json] = {
    CORE_USER: _schema(CORE_USER, "User", "A user's account.", _USER),
    NINJAONE_USER: _schema(NINJAONE_USER, "NinjaOneUser", "What NinjaOne adds.", _NINJAONE_USER),
    CORE_GROUP: _schema(CORE_GROUP, "Group", "People who get a role together.", _GROUP),
}
RESOURCE_TYPES: Mapping[str, Json] = {
    "User": _resource_type(USER, "Technicians and end users."),
    "Group": _resource_type(GROUP, "Groups of them."),
}


def describe_service(page_cap: int) -> Json:
    """Tell what this service can do (RFC 7643 §5)."""
    return {
        "schemas": [_CORE + "ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": page_cap},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "The token that the console shows once, in the Authorization header.",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig"},
    }
