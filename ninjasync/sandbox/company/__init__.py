"""The company: its users and groups as Duo has them, who they are, and what happens to them.

``people`` knows Duo's records, ``staffing`` makes a company and the accounts that NinjaOne had before,
``year`` is what can happen, ``events`` the words for it. None of them knows HTTP.
"""
