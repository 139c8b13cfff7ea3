"""Who works at the training company, and which accounts NinjaOne had before.

Knows names, proportions and the oddities that real accounts have. Must not know HTTP or ninjasync.
The same numbers always give the same people.
"""

from __future__ import annotations

from random import Random

from ninjasync.sandbox.company.people import FORMERLY, FROM_AD, FROM_ENTRA, Company
from ninjasync.sandbox.exchange import Json
from ninjasync.sandbox.ninjaone.schema import CORE_USER, NINJAONE_USER, USER
from ninjasync.sandbox.ninjaone.store import NinjaOne, utc_now

TECHNICIANS = "NinjaOne Technicians"
END_USERS = "NinjaOne End Users"
HELPDESK = "Helpdesk" + FROM_AD
ORGANIZATION_NAMES = {"1": "Contoso Ltd", "4": "Fabrikam", "12": "Northwind Traders", "107": "Tailspin Toys"}
ORGANIZATIONS = tuple(ORGANIZATION_NAMES)
BREAKGLASS = "breakglass"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ada Amir Ana Anders Beatriz Ben Carla Chen Clara Dana David Elena Emil Eva Farid Fatima Femi Gita "
    "Grace Hana Hugo Ida Imran Ines Ivan Jana Jonas Julia Kamal Karin Kenji Lars Leila Lena Liam Lucia "
    "Maja Marco Maria Mateo Mina Nadia Nils Nora Olga Oscar Paula Pedro Priya Rafael Rosa Samir Sara "
    "Sofia Tariq Tessa Tomas Uma Vera Viktor Wanda Yara Yusuf Zoe"
)
LAST_NAMES = _words(
    "Abara Andersen Bauer Becker Berg Bianchi Castro Cohen Costa Dahl Diaz Dubois Eriksen Farouk Ferrari "
    "Fischer Garcia Gruber Haddad Hansen Hoffman Ibrahim Ito Jensen Kaya Keller Khan Kim Kowalski Kumar "
    "Larsen Lopez Maier Marino Martin Mendes Meyer Moreau Murphy Nakamura Nguyen Novak Okafor Olsen "
    "Park Patel Petrov Ramos Rossi Ruiz Sato Schmidt Silva Singh Tanaka Torres Vargas Virtanen Wagner "
    "Weber Wong Yilmaz Young Zhang"
)
# Each has broken a report, a log or a web page somewhere.
ODD_NAMES = (
    ("Sinéad", "O'Brien"),
    ('Robert "Bobby"', "Tables"),
    ("Joy 🎉", "Partridge"),
    ("Morgan", "Styles [/x]"),
    ("Alex <script>alert(1)</script>", "Webb"),
    ("Pat", "Pipe|Dream"),
    ("ليلى", "حداد"),
    ("Žofie", "Müller-Ångström"),
    ("美咲", "佐藤"),
    ("Casey", "Spacer "),
)


def make_rng(seed: int, purpose: str) -> Random:
    """Random numbers that are the same every time."""
    return Random(f"{seed}/{purpose}")  # noqa: S311 - play data has to be repeatable, not secret


def make_company(users: int = 60, seed: int = 1, domain: str = "example.com") -> Company:
    """Make a company of that many Duo users, at least one.

    About a fifth are technicians (at least one of two). From 20 users on there are people with odd
    names, some of each status, some out of scope, and exactly two in scope whose attributes are
    wrong: a technician typed "Technican" and an end user without an organization.
    """
    if users < 1:
        raise ValueError("a company has at least one user")
    made, rng = Company(seed=seed, domain=domain), make_rng(seed, "company")
    for name, description in ((TECHNICIANS, "Get technician accounts"), (END_USERS, ""), (HELPDESK, "")):
        made.scoped.append(made.add_group(name, description=description))
    made.add_group("Contractors" + FORMERLY)
    made.add_group("All Staff" + FROM_ENTRA, description="All who are on the payroll")
    for person, role in zip(_names(users, rng), _roles(users, rng), strict=True):
        _employ(made, person, role, rng)
    _leave_traces(made, rng)
    return made


def _names(users: int, rng: Random) -> list[tuple[str, str]]:
    """First the odd names, if there is room for them, then everyday ones."""
    names = list(ODD_NAMES) if users >= 20 else []
    return names + [(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)) for _ in range(users - len(names))]


def _roles(users: int, rng: Random) -> list[str]:
    """Return a role for each user. Odd names are all in good standing, so they come through to NinjaOne."""
    technicians = max(1, round(users / 5)) if users >= 2 else 0
    if users < 20:
        roles = ["technician"] * technicians + ["end user"] * (users - technicians)
        rng.shuffle(roles)
        return roles
    odd = ["technician" if number % 5 == 0 else "end user" for number in range(len(ODD_NAMES))]
    few = max(1, users // 40)
    rest = ["mistyped", "homeless", *["contractor"] * max(1, users // 12)]
    for status in ("bypass", "locked out", "disabled", "pending deletion"):
        rest += [status] * few
    rest += ["technician"] * (technicians - odd.count("technician") - 1)  # the mistyped one is the last
    rest += ["end user"] * (users - len(odd) - len(rest))
    rng.shuffle(rest)
    return odd + rest


def _employ(made: Company, name: tuple[str, str], role: str, rng: Random) -> None:
    organization: str | None = rng.choice((*ORGANIZATIONS, *ORGANIZATIONS, "All"))
    groups, user_type = [END_USERS], "endUser"
    match role:
        case "technician" | "mistyped":
            groups, user_type = [TECHNICIANS], "technician" if role == "technician" else "Technican"
            organization = rng.choice((organization, None))
        case "homeless":
            organization = None
        case "contractor":
            user_id = made.hire(*name, groups=["Contractors"])
            # These records are not well kept. Duo has both forms of "nothing".
            empty = rng.choice(("", None))
            made.users[user_id].update(firstname=empty, lastname=empty, email=rng.choice(("", None)))
            return
    if role in ("technician", "end user") and rng.random() < 0.2:
        groups = [*groups, HELPDESK] if rng.random() < 0.5 else [HELPDESK]
    user_id = made.hire(*name, groups=[*groups, "All Staff"], user_type=user_type, organization=organization)
    match role:
        case "bypass":
            made.users[user_id]["status"] = "bypass"
        case "locked out":
            made.lock_out(user_id)
        case "disabled":
            made.disable(user_id)
        case "pending deletion":
            made.trash(user_id)


def _leave_traces(made: Company, rng: Random) -> None:
    """Add the small differences that grow in years: devices, aliases, empty fields, a sync's marks."""
    helpdesk = made.find_group_id(HELPDESK)
    for number, (user_id, user) in enumerate(made.users.items()):
        if helpdesk in user["groups"]:
            made.synchronise(user_id, 1_767_225_600)
        if number % 7 == 0 and (user["email"] or "").endswith(made.domain):
            user["email"] = f"{user['username']}@example.org"
        if number % 5 == 1:
            alias = f"{user['username']}.adm"
            user.update(alias1=alias, aliases={"alias1": alias})
        nameless = number % 3 == 1 and (user["firstname"], user["lastname"]) not in ODD_NAMES
        if nameless and user["firstname"]:
            empty = "" if number % 2 else None
            user.update(firstname=empty, lastname=empty)
        if number % 4 == 2:
            empty = rng.choice(("", None))
            user.update(notes=None, last_login=None, is_enrolled=False)
            if user["firstname"]:
                user["realname"] = empty
        else:
            made.give_phone(user_id)


def existing_accounts(people: Company, seed: int = 1) -> NinjaOne:
    """Make a NinjaOne that was in use before SCIM came.

    It has a few native accounts without externalId whose userName is a Duo user's e-mail address, the first
    in other letter case; a break-glass account, which is a system administrator; an account of a stranger
    whom Duo does not have; two accounts from the console that SCIM does not show; and organizations with names.
    """
    rng = make_rng(seed, "ninjaone")
    ninjaone = NinjaOne(seed=seed, now=lambda: "2024-11-05T08:30:00.000Z")
    sound = [
        user
        for user in people.users.values()
        if user["status"] == "active"
        and set(user["groups"]) & set(people.scoped)
        and user["custom_attributes"].get("userType") == "endUser"
        and user["custom_attributes"].get("organizationID")
    ] or list(people.users.values())
    known = rng.sample(sound, max(1, min(5, len(sound) // 6)))
    for number, user in enumerate(known):
        email = user["email"].title() if number == 0 else user["email"]
        first, _, last = (user["realname"] or "").rpartition(" ")
        _native(ninjaone, email, user["firstname"] or first, user["lastname"] or last, "endUser")
    _native(ninjaone, f"{BREAKGLASS}@{people.domain}", "Break", "Glass", "technician")
    _native(ninjaone, f"stranger@{people.domain}", "Sam", "Stranger", "endUser")
    ninjaone.organizations = {int(number): name for number, name in ORGANIZATION_NAMES.items()}
    ninjaone.administrators = set(ninjaone.find(USER, "userName", f"{BREAKGLASS}@{people.domain}") or ())
    for name, user_type in (("olga.owner", "technician"), ("kai.kiosk", "endUser")):
        address = f"{name}@{people.domain}"
        ninjaone.unlisted[address] = _console_account(address, user_type)
    ninjaone.now = utc_now
    return ninjaone


def _console_account(address: str, user_type: str) -> Json:
    """Make an account as the public API shows it and SCIM does not; a technician is a system administrator."""
    first, last = address.partition("@")[0].title().split(".")
    return {
        "userName": address,
        "name": {"givenName": first, "familyName": last},
        "active": True,
        "administrator": user_type == "technician",
        NINJAONE_USER: {"userType": user_type, "organizationId": "1"},
    }


def _native(ninjaone: NinjaOne, user_name: str, first: str, last: str, user_type: str) -> None:
    ninjaone.create(
        USER,
        {
            "schemas": [CORE_USER],
            "userName": user_name,
            "name": {"givenName": first, "familyName": last},
            NINJAONE_USER: {"userType": user_type, "organizationId": "All"},
        },
    )
