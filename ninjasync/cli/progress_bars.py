"""Progress on a terminal: a bar for each thing that is counted, and what is waited for below them.

Drawn on standard error and gone when it ends. Knows rich, so that this file is imported when
the first bar is drawn; must not know what is counted.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.spinner import Spinner
from rich.text import Text

# Seconds: what a rate is taken over, at most and at least. Duo's first 50 calls go at once, the rest
# one by one, and the rate has to show that soon.
_LATELY, _TELLING = 6.0, 1.0


class Bars:
    """Bars by their labels. Safe to use from several threads."""

    def __init__(self, progress: Progress, pause: "_Pause") -> None:
        self._progress, self._pause = progress, pause
        self._drawn: dict[str, tuple[TaskID, _Rate]] = {}

    def show(self, label: str, done: int, total: int | None, note: str = "") -> None:
        """Draw a bar, or draw it anew; ``total`` None is not known yet."""
        if label in self._drawn:
            id_, rate = self._drawn[label]
            rate.count(time.monotonic(), done)
            self._progress.update(id_, completed=done, total=total, note=note)
        else:
            rate = _Rate(time.monotonic(), done)
            id_ = self._progress.add_task(label, completed=done, total=total, note=note, rate=rate)
            self._drawn[label] = id_, rate

    def wait(self, seconds: float, words: str) -> None:
        """Show ``words`` for that long, with the seconds left in place of ``{}``; of several waits the longest."""
        until = time.monotonic() + seconds
        if until > self._pause.until:
            self._pause.template, self._pause.until = words, until

    def go_on(self) -> None:
        """Show no wait any more."""
        self._pause.until = 0.0


class _Rate:
    """How many a second lately. Rich's own takes a burst of pages, fetched side by side, for the usual rate."""

    def __init__(self, now: float, done: int) -> None:
        self._samples = deque([(now, done)])

    def count(self, now: float, done: int) -> None:
        if done < self._samples[-1][1]:
            self._samples = deque([(now, done)])  # it began again
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _LATELY:
            self._samples.popleft()

    def at(self, now: float) -> float:
        """Return the rate; 0 where it is not known yet."""
        (begun, first), (_, last) = self._samples[0], self._samples[-1]
        return (last - first) / (now - begun) if now >= begun + _TELLING else 0.0


@dataclass(slots=True)
class _Pause:
    """What is waited for, and until when by the monotonic clock."""

    template: str = ""
    until: float = 0.0

    def words(self) -> str:
        left = math.ceil(self.until - time.monotonic())
        return self.template.format(left) if left > 0 else ""


class _Counts(ProgressColumn):
    """How far a bar is, in words."""

    def render(self, task: Task) -> Text:
        return Text(_counts(task), no_wrap=True)


class _Drawing(Progress):
    """A heading, the bars, and what is waited for."""

    def __init__(self, heading: str, pause: _Pause, console: Console) -> None:
        columns = ("[progress.description]{task.description}", BarColumn(20), _Counts())
        # This spinner is plain ASCII, which every terminal can show.
        self._heading, self._pause = Spinner("line", heading), pause
        # Standard output is not a matter of progress, be it on the same terminal.
        super().__init__(*columns, console=console, transient=True, redirect_stdout=False)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self._heading
        if self.tasks:
            yield self.make_tasks_table(self.tasks)
        if words := self._pause.words():
            yield Text(words, style="yellow")


@contextmanager
def draw_bars(heading: str, *, color: bool) -> Iterator[Bars]:
    """Draw bars below ``heading`` as long as this lasts; lines written to standard error appear above them."""
    pause = _Pause()
    console = Console(stderr=True, no_color=not color, highlight=False)
    with _Drawing(heading, pause, console) as progress:
        yield Bars(progress, pause)


def _counts(task: Task) -> str:
    """Say how many are done of how many, at which rate, and how long the rest will take."""
    words = f"{task.completed:,.0f}" + (f" of {task.total:,.0f}" if task.total is not None else "")
    words += str(task.fields["note"])
    if task.finished:
        return words
    rate = task.fields["rate"].at(time.monotonic())
    if not rate:
        return words
    words += f", {rate:,.0f}/s" if rate >= 1 else f", {60 * rate:,.0f}/min"
    if task.remaining is not None:
        minutes, seconds = divmod(math.ceil(task.remaining / rate), 60)
        words += f", {minutes}:{seconds:02} left"
    return words
