"""What is said of a name that stands for no organization."""

from __future__ import annotations

import pytest

from ninjasync.planning.organizations import UnknownOrganizationError, finder


@pytest.mark.parametrize("named", [{}, {"Other Ltd": "4"}])
def test_with_the_public_api_an_unknown_name_tells_how_many_were_looked_at_and_which_is_near(
    named: dict[str, str],
) -> None:
    with pytest.raises(UnknownOrganizationError) as raised:
        finder(named, [("12", "Contoso Ltd"), ("13", "Fabrikam"), ("14", "Fabrikam")])("Contosso Ltd")
    assert 'in [organizations], nor one of NinjaOne\'s 3 organizations; did you mean "Contoso Ltd"?' in str(
        raised.value
    )


def test_without_the_public_api_nothing_is_said_of_ninjaones_organizations() -> None:
    with pytest.raises(UnknownOrganizationError) as raised:
        finder({})("Contoso Ltd")
    assert str(raised.value).endswith('is neither a whole number, nor "All", nor in [organizations]')
