"""Reads a whole list, page after page, and says what keeps it from being proven whole.

Knows paging as RFC 7644 §3.4.2.4 has it and as servers do it. Must not know what follows
from a list that is not whole; ``reader`` decides that.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic

from ninjasync.config.ninjaone import Dialect
from ninjasync.errors import UnreachableError
from ninjasync.model.directory import Problem, Resource
from ninjasync.model.events import Listener, Read
from ninjasync.model.message import Message, number, text, word
from ninjasync.net.connection import parse_json
from ninjasync.net.pacing import TransientError
from ninjasync.net.prefetch import Prefetch
from ninjasync.ninjaone import scim_responses, statuses
from ninjasync.ninjaone.endpoint import PATHS, Endpoint, R, unanswered
from ninjasync.ninjaone.http import CHECK_URL
from ninjasync.ninjaone.scim_responses import Page
from ninjasync.ninjaone.unreadable import convert_rows, is_down
from ninjasync.ninjaone.user_pages import UnusualPageError, UserPages

PagePrefetch = Prefetch[int, Page]

# A total that is a multiple of this, and is reached, may be no total but a cap.
_CAPS = 50


class NoListError(Exception):
    """The endpoint does not list; each resource can still be looked up."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a list may not be whole, in a sentence; ``proven`` where it is known not to be."""

    why: str
    proven: bool


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """What a list holds, the records in it that cannot be read, and its gap, if there is one."""

    resources: list[R]
    problems: list[Problem]
    gap: Gap | None


def prefetch_pages(
    endpoint: Endpoint, resource: Resource, dialect: Dialect, threads: int, user_pages: UserPages | None = None
) -> PagePrefetch:
    """Return what fetches pages of a list; its keys are how many rows come before the page."""

    def parse(data: bytes) -> Any:
        if user_pages is None:
            return parse_json(data)
        try:
            return user_pages.parse(data)
        except UnusualPageError:
            user_pages.learn(body := parse_json(data))
            return body

    return Prefetch(lambda seen: _fetch_page(endpoint, resource, seen, dialect, parse), threads)


def read_list(
    resource: Resource,
    prefetch: PagePrefetch,
    convert: Callable[[Any], R],
    proof: "ListProof",
    listener: Listener,
) -> Listing[R]:
    """Read all pages. Raises UnreachableError where even the first fails, or NoListError where there is no list."""
    found: dict[str, R] = {}
    problems: list[Problem] = []
    with closing(_pages(prefetch, proof.page_size)) as pages:
        try:
            for page in pages:
                items = page.resources if page.users else convert_rows(resource, page.resources, convert, problems)
                for item in items:
                    found.setdefault(item.id or "", item)
                ended = proof.add(page, len(found) + len(problems))
                listener(Read("NinjaOne", resource, proof.seen, page.total))
                if ended:
                    break
        except UnreachableError as error:
            if not proof.allows(error):
                raise
            proof.broke_off = True
    return Listing(list(found.values()), problems, proof.gap(resource))


@dataclass(slots=True)
class ListProof:
    """Counts what pages hold, to see which page is the last and whether the list is whole.

    ``doubts_caps`` where nothing else shows what a list lacks, so that a total that may be a cap
    is tried by one page more. ``seen`` are rows, ``different`` resources.
    """

    page_size: int
    doubts_caps: bool = False
    seen: int = 0
    different: int = 0
    pages: int = 0
    total: int | None = None
    last: tuple[Any, ...] = field(default=())
    repeated: bool = False
    broke_off: bool = False

    def add(self, page: Page, different: int) -> bool:
        """Take a page, after which there are so many different resources; return whether it was the last."""
        rows = page.resources
        self.seen += len(rows)
        if not rows:
            self.total = page.total or self.total
            return True
        self.repeated = different == self.different or rows == self.last
        self.different = different
        if self.repeated:
            return True
        self.pages, self.last, self.total = self.pages + 1, rows, page.total
        if self.total is not None and self.seen > self.total:
            self.total = None  # it counts each page alone: then only an empty page is the end
        return self.seen == self.total and not self._may_be_more(len(rows))

    def _may_be_more(self, rows: int) -> bool:
        """Whether there may be more although the total is reached: it may count the page alone, or be a cap."""
        counts_page_alone = self.seen == rows == self.page_size
        return counts_page_alone or (self.doubts_caps and self.seen % _CAPS == 0)

    def allows(self, error: UnreachableError) -> bool:
        """Whether a page may fail so: not the first, and not because of an outage before all that was promised."""
        whole = self.total is not None and self.different >= self.total
        return bool(self.seen) and (whole or not is_down(error))

    def gap(self, resource: Resource) -> Gap | None:
        """Return what keeps the list from being proven whole; None where it is."""
        short = self.total is not None and self.different < self.total
        if self.repeated and (short or self.pages == 1):
            # Either there are no more, or it ignores startIndex.
            return Gap(f"NinjaOne sends the same {resource}s again for each page.", proven=short)
        if short:
            return Gap(f"NinjaOne says that it has {self.total} {resource}s, but sent {self.different}.", proven=True)
        if self.broke_off and self.total is None:
            return Gap(f"NinjaOne's list of {resource}s breaks off after {self.different}.", proven=False)
        return None


def _pages(prefetch: PagePrefetch, page_size: int) -> Generator[Page, None, None]:
    """Yield page after page, without end.

    Pages go by what came, not by what was asked for (RFC 7644 §3.4.2.4). Those after the first
    are announced if that one was full; where one is not full, the next begins where it ended.
    """
    with prefetch:
        page = prefetch.get(0)
        size = len(page.resources)
        if size == page_size:
            prefetch.announce(range(size, page.total or 0, size))
        seen = 0
        while True:
            seen += len(page.resources)
            yield page
            page = prefetch.get(seen)


def _fetch_page(
    endpoint: Endpoint, resource: Resource, seen: int, dialect: Dialect, parse: Callable[[bytes], Any]
) -> Page:
    query = {"startIndex": str(seen + 1), "count": str(dialect.page_size)}
    try:
        answer = endpoint.transport.call("GET", PATHS[resource], query, parse=parse)
    except TransientError as error:
        # Some servers stumble over a list and answer each look-up. One that is down fails those, too.
        if seen or error.status != 500 or dialect.discovery == "list":
            raise
        raise NoListError(Message("NinjaOne fails to list its {}s (HTTP 500).", word(resource))) from error
    if seen and answer.status != 200:
        raise unanswered(f"list of {resource}s after {seen} of them", answer)
    if answer.status == 204:  # It may say that there are none; but what was not read is never absent.
        raise UnreachableError(
            Message(
                "NinjaOne answered the list of {}s with HTTP 204 and no content, which does not say that there are "
                "none.",
                word(resource),
            ),
            Message(
                f"If there are none, make one {{}} by hand in the NinjaOne console and run again. {CHECK_URL}",
                word(resource),
            ),
        )
    match statuses.of_list(answer.status):
        case "no-list":
            detail, _ = scim_responses.read_error(answer.body)
            raise NoListError(
                Message(
                    "NinjaOne does not list its {}s (HTTP {} {}).", word(resource), number(answer.status), text(detail)
                )
            )
        case "failed":
            raise endpoint.transport.unexpected("list", answer)
    page = answer.body if isinstance(answer.body, Page) else scim_responses.read_page(answer.body)
    if page is None:
        raise UnreachableError(Message("{} answered with no SCIM list.", word(endpoint.transport.url)), CHECK_URL)
    return page
