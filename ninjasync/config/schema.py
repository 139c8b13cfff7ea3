"""The whole configuration: one table of each kind, each from its own file of this room.

Each key is described once, in the file of its table: the example, the schema for editors and
the file that ``init`` writes are made of it (``example``). ``load`` makes one frozen ``Config``
of TOML and environment. Secrets appear as references only (``secrets`` reads them).
"""

from pathlib import Path

from pydantic import Field, PrivateAttr

from ninjasync.config.duo import Duo
from ninjasync.config.mapping import DEFAULT_ATTRIBUTES, Expressions, Organizations
from ninjasync.config.ninjaone import NinjaOne
from ninjasync.config.operation import Monitor, Run, State
from ninjasync.config.provisioning import Deprovision, Groups, Scope
from ninjasync.config.safety import Safety
from ninjasync.config.section import Section, whole_path


class Config(Section):
    """A whole valid configuration."""

    duo: Duo = Field(description="where users come from: an Admin API application in Duo")
    ninjaone: NinjaOne = Field(description="where accounts go to: the SCIM endpoint of an identity provider")
    scope: Scope = Field(description="who gets an account")
    attributes: Expressions = Field(
        DEFAULT_ATTRIBUTES,
        description=(
            "what an account is made of: SCIM attribute = JMESPath over the Duo user.\n"
            "userName must give an e-mail address. The user type and the organization are the two\n"
            "custom attributes of NinjaOne's guide; a Duo name with blanks is quoted, as in\n"
            "'custom_attributes.\"User Type\"'"
        ),
    )
    organizations: Organizations = Field(
        {},
        description=(
            "names that may stand in Duo in place of an organization's number,\n"
            'a line each: the name as it is written in Duo, then the number, or "All":\n'
            '"Contoso Ltd" = 12'
        ),
    )
    groups: Groups = Field(Groups(), description="which Duo groups NinjaOne gets, for its role mapping")
    deprovision: Deprovision = Field(
        Deprovision(), description="what becomes of the account of a user who left the scope"
    )
    safety: Safety = Field(Safety(), description="beyond these limits nothing is written, unless approved by number")
    run: Run = Field(Run(), description="how a run works")
    state: State = Field(State(), description="what ninjasync remembers between runs")
    monitor: Monitor = Field(
        Monitor(), description="where the end of a run is reported; none of these can make it fail"
    )
    _base: Path = PrivateAttr(Path())
    _named: Path | None = PrivateAttr(None)

    @property
    def base(self) -> Path:
        """The folder that relative paths start from."""
        return self._base

    @property
    def named(self) -> Path | None:
        """The file that the command line named, as it is written there; None where it was looked for."""
        return self._named

    def with_place(self, base: Path, named: Path | None) -> "Config":
        """Return this configuration as one that was found there."""
        placed = self.model_copy()
        placed._base, placed._named = base, named
        return placed

    def file(self, path: str) -> Path:
        """Resolve ``path``: ``~`` is the home folder, a relative one starts at the configuration file.

        Raises ConfigurationError where this user has no home folder.
        """
        return whole_path(self.base, path)
