"""The names that SCIM and NinjaOne's extension give to their schemas and messages, spelled out once for all tests.

Written by hand, not imported from the product: a wrong name there must not hide behind itself here.
"""

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
EXTENSION = "urn:ietf:params:scim:schemas:extension:ninjaone:2.0:User"
USER_TYPE, ORGANIZATION_ID = f"{EXTENSION}:userType", f"{EXTENSION}:organizationId"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
