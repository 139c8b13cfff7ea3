"""What connections to both services share: TLS, proxies, tries again, rates, prefetching. Must not know a service."""
