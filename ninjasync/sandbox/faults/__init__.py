"""What goes wrong: a fault is of the network or a busy service, a quirk is a habit of one server.

To add one: a line in ``catalogue``, then its doing in ``faults`` or in the file of quirks that it belongs to
(``quirks`` lists them), made of the parts in ``rewrite`` and ``messages``. The manual's page has a row for each.
"""
