"""ninjasync keeps NinjaOne's accounts in step with Duo."""

__version__ = "0.1.0"
