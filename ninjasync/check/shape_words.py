"""What the shapes of answers may hold in words: the closed sets, and the names that documents publish (CONTRACT 7.8).

Pure. Everything that is not in here is counted and never written out.
"""

import re
from collections.abc import Mapping


def split_words(text: str) -> frozenset[str]:
    """Return the words between the bars of ``text``."""
    return frozenset(text.split("|"))


# Fields whose values are words of a closed set; any other word is counted, never written.
WORDS: Mapping[str, frozenset[str]] = {
    "status": split_words("active|bypass|disabled|locked out|pending deletion|Active|Bypass|Disabled"),
    "userType": split_words("technician|Technician|TECHNICIAN|endUser|EndUser|enduser|END_USER"),
    "organizationId": split_words("All|all|ALL"),
    "active": split_words("true|false|True|False|TRUE|FALSE"),
    "resourceType": split_words("User|Group|ResourceType|Schema|ServiceProviderConfig"),
    "type": split_words("User|Group|user|group|work|home|direct|indirect"),
    "op": split_words("add|remove|replace|Add|Remove|Replace"),
    "stat": split_words("OK|FAIL"),
    "scimType": split_words(
        "invalidFilter|tooMany|uniqueness|mutability|invalidSyntax|invalidPath|noTarget|invalidValue|invalidVers|"
        "sensitive"
    ),
    "schemas": frozenset(
        (
            *(f"urn:ietf:params:scim:schemas:core:2.0:{name}" for name in ("User", "Group", "ResourceType", "Schema")),
            "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User",
            *(f"urn:ietf:params:scim:api:messages:2.0:{name}" for name in ("ListResponse", "PatchOp", "Error")),
        )
    ),
}
# Booleans and numbers that say what a service can do; all other numbers may be ids or dates.
FEATURES = split_words(
    "supported|maxResults|maxOperations|maxPayloadSize|totalResults|itemsPerPage|startIndex|total_objects|"
    "next_offset|prev_offset|active|multiValued|required|caseExact|code"
)
# Objects whose keys are data: only the keys that the configuration itself names are written.
OPEN_OBJECTS = frozenset({"custom_attributes", "aliases"})
# What Duo's and SCIM's documents name. Another field is named where at least half of the records have it:
# then it is a field of the service, and not what one record holds.
KNOWN_FIELDS = split_words(
    "Resources|active|alias1|alias2|alias3|alias4|aliases|attributes|created|custom_attributes|date_of_birth|"
    "desc|description|desktop_authenticators|desktoptokens|detail|directory_key|displayName|email|emails|"
    "enable_auto_prompt|endpoint|entra_federated_user_id|externalId|external_id|familyName|firstname|"
    "formatted|givenName|group_id|groups|has_password|id|is_enrolled|itemsPerPage|lastModified|"
    "last_directory_sync|last_login|lastname|location|lockout_reason|members|message|message_detail|meta|"
    "metadata|mobile_otp_enabled|name|next_offset|notes|organizationId|password_last_updated|phones|"
    "prev_offset|push_enabled|realname|resourceType|response|schemas|scimType|sms_enabled|startIndex|stat|"
    "status|tokens|totalResults|total_objects|type|u2ftokens|userName|userType|user_id|username|value|"
    "version|voice_enabled|webauthncredentials|$ref"
)
FEW = 10  # half of it is how many records at least must have a field that is named
_FIELD = re.compile(r"[A-Za-z$_][A-Za-z$_]{0,39}[0-9]{0,2}")
_URN = re.compile(r"urn:ietf:params:scim:[A-Za-z0-9:._-]{1,100}")
LIMIT_HEADER = re.compile(r"retry-after|(x-)?rate-?limit(-[a-z]{1,20}){0,3}")
NUMBER = re.compile(r"[0-9]{1,12}")
HEADERS = split_words(
    "accept-ranges|age|allow|alt-svc|cache-control|cf-cache-status|cf-ray|connection|content-encoding|"
    "content-language|content-length|content-security-policy|content-type|date|etag|expires|keep-alive|"
    "last-modified|location|permissions-policy|pragma|proxy-authenticate|referrer-policy|server|set-cookie|"
    "strict-transport-security|transfer-encoding|upgrade|vary|via|www-authenticate|x-amz-cf-id|x-amz-cf-pop|"
    "x-amzn-requestid|x-amzn-trace-id|x-cache|x-content-type-options|x-correlation-id|x-frame-options|"
    "x-powered-by|x-request-id|x-xss-protection"
)
MEDIA_TYPES = frozenset({"application/scim+json", "application/json", "text/html", "text/plain", "text/json", ""})
CHARSETS = frozenset({"", "utf-8", "iso-8859-1", "windows-1252", "utf-16", "us-ascii"})
PLACES = split_words("Users|Groups|ServiceProviderConfig|ResourceTypes|Schemas|Bulk|Me")
DUO_PLACES = split_words("admin|accounts|v1|v2|users|groups|account|list")
PARAMETERS = split_words(
    "startIndex|count|cursor|attributes|excludedAttributes|limit|offset|account_id|user_id_list|email"
)
ATTRIBUTES = split_words("userName|externalId|displayName|id|members|emails|active|groups")
# The directories that Duo's documents name.
DIRECTORIES = split_words("AD|Active Directory|Microsoft Entra ID|Azure AD|OpenLDAP|LDAP|Google|Okta|SCIM")


def is_field(name: str) -> bool:
    """Whether a name has the form of a field's name, so that it may be written."""
    return name in KNOWN_FIELDS or bool(_FIELD.fullmatch(name) or _URN.fullmatch(name))
