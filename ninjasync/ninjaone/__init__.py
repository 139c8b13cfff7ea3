"""The target: reads and writes NinjaOne over SCIM. Must not decide who gets an account; a reader cannot write."""
