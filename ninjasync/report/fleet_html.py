"""A fleet's table as one HTML page: search, filter, sort, and each tenant's plan behind its row.

As the page of a plan, it loads nothing. Tenants' plans lie behind the table and the script as data, compressed where
they are many, which the browser reads, and shows as text alone, when a row is opened: so a page of thousands is small,
and opens at once.
"""

import base64
from collections.abc import Iterator
from datetime import datetime

from ninjasync.config.tenant import in_a_command
from ninjasync.model.fleet import GOOD, FleetResult
from ninjasync.report.fleet import approvals, figures, notes, outcome_word, summary_line, sums, titles, word_counts
from ninjasync.report.html import page_from
from ninjasync.report.tenant_document import pack_visible, unpack_text

# Bytes, compressed, of all plans together: up to forty times as much as JSON.
_SMALL = 100_000


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
        plans=list(_plans(result)),
    )


def _plans(result: FleetResult) -> Iterator[tuple[int, str]]:
    """Yield each tenant's plan by the number of its row: JSON as long as that stays small, else compressed as Base64.

    The page of a small fleet can be searched as any text, and read by every browser. Neither holds a mark of HTML's.
    """
    packed = {number: row.document for number, row in enumerate(result.rows) if row.document is not None}
    is_small = sum(map(len, packed.values())) <= _SMALL
    for number, document in packed.items():
        shown = pack_visible(document)
        yield number, _without_marks(unpack_text(shown)) if is_small else base64.b64encode(shown).decode()


def _without_marks(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
