"""A fleet's table as one HTML page: search, filter, sort, and each tenant's plan behind its row.

As the page of a plan, it loads nothing. Tenants' plans lie behind the table and the script as compressed data, which
the browser unpacks, and shows as text alone, when a row is opened: so a page of thousands is small, and opens at once.
"""

import base64
from datetime import datetime

from ninjasync.config.tenant import in_a_command
from ninjasync.model.fleet import GOOD, FleetResult
from ninjasync.report.fleet import approvals, figures, notes, outcome_word, summary_line, sums, titles, word_counts
from ninjasync.report.html import page_from
from ninjasync.report.tenant_document import pack_visible


def render_html(result: FleetResult, created_at: datetime) -> str:
    """Return the page."""
    command = result.command
    heads = titles(command)
    return page_from(
        "fleet",
        created_at,
        title=summary_line(result),
        command=command,
        exit_code=result.exit_code,
        # A column's class is its title, which its width and its label on a telephone hang on.
        columns=[(head.replace(" ", "-"), head) for head in heads],
        sums=[*sums(result).values(), "", ""],
        rows=[
            (row, outcome_word(command, row), figures(command, row), approvals(row), in_a_command(row.file))
            for row in result.rows
        ],
        words=list(word_counts(result).items()),
        notes=list(notes(result)),
        good=GOOD,
        plans=[
            (number, base64.b64encode(pack_visible(row.document)).decode())
            for number, row in enumerate(result.rows)
            if row.document is not None
        ],
    )
