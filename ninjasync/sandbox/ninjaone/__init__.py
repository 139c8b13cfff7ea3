"""The sandbox's NinjaOne: what it stores, and SCIM over it."""
