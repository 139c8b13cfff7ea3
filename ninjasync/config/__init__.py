"""What the operator writes: every key, expressions, secrets, the tenant. Must not know a service's protocol."""
