"""A local Duo Admin API, a local NinjaOne SCIM endpoint and a local NinjaOne public API, with people in them.

For training, for CI and for the tests: the independent other side. It imports nothing of ninjasync but
the version, so that a mistake in ninjasync cannot hide in a shared piece of code.

``company`` is who works there, ``duo`` and ``ninjaone`` are the services as they should be, ``faults``
is what goes wrong between them and a client, and how other servers differ. ``box`` puts all together.
"""
