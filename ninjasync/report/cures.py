"""What to do about a held record, by the code of its problem (CONTRACT §4).

A problem's own message says what is wrong with the one record; this says who mends it where.
"""

_IN_DUO = "The next run goes on with him."

_CURES = {
    "missing-user-name": f"Give the user an e-mail address in Duo, or map userName to what holds one. {_IN_DUO}",
    "invalid-user-name": f"Correct the address in Duo: NinjaOne takes an e-mail address alone as userName. {_IN_DUO}",
    "duplicate-user-name": "Give each of them an e-mail address of his own in Duo.",
    "missing-name": f"Enter first and last name in Duo, 1 to 150 characters each. {_IN_DUO}",
    "missing-user-type": f'Set the attribute to "technician" or "endUser" in Duo. {_IN_DUO}',
    "invalid-user-type": f'Write "technician" or "endUser" in Duo, exactly so. {_IN_DUO}',
    "unknown-status": "Look at the user's status in Duo; where it is a new one, update ninjasync or report it.",
    "missing-organization": f'Set the number of his organization in Duo, or "All" for every one. {_IN_DUO}',
    "invalid-organization": f'Write the number of his organization in Duo, or "All" for every one. {_IN_DUO}',
    "unknown-organization": "Write its name or number in Duo as NinjaOne has it, or name it in [organizations].",
    "name-taken": "Rename or delete the account that holds the name in NinjaOne, or change the address in Duo.",
    "expression-failed": "Mend the expression in the configuration, or the record in Duo that it fails on.",
    "unreadable-record": "Look at the record in its console and mend what is odd; until then nobody is removed.",
    "duplicate-group-name": "Give one of the groups another name, in Duo or with [groups] rename.",
}


def cure(code: str) -> str:
    """Return what to do about a problem; empty for a code that nobody knows a cure for."""
    return _CURES.get(code, "")
