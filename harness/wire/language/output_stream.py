"""The response of a language model as it arrives: its pieces, their instants, and the server's own counts."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from typing import TYPE_CHECKING, Any

from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.failure_text import body_text, failure_in, failure_of, quoted, reported_in, short_text
from harness.wire.http.refusal import refusal_in
from harness.wire.http.sse import SseError, SseParser
from harness.wire.language.usual_piece import SHOWN_TEXTS, UsualPiece, shown_text, usual_piece

if TYPE_CHECKING:
    from harness.wire.http.refusal import Refusal

ABSENT = -1
MAX_TOKENS = 5 * 10**8  # of a prompt or a response; more cannot be true, and three of them fit a column of rows
DONE = b"[DONE]"
MOST_OVER = 1.1  # times the limit that was asked for: servers differ in whether they count the end
MOST_FORMS = 3  # of pieces that a stream looks for, as long as none has come twice


class StreamError(Exception):
    """The response is none of this API, an incomplete one, or one that reports a failure: a `refusal`, for example."""

    def __init__(self, text: str, refusal: Refusal | None = None) -> None:
        super().__init__(text)
        self.refusal = refusal


class NoEventError(StreamError):
    """An event cannot be read; at the end of the body it is an event that was cut."""


class OutputStream:
    """One response, as far as it has arrived.

    A piece is what one event adds to the output: text, reasoning, a tool call, a refusal. `instants_ns` has the arrival
    time of each; many servers send one per token. `answer_ns` is that of the first piece which is no reasoning.
    `prompt_tokens`, `cached_tokens` (those of the prompt that the server did not compute again) and `usage_tokens` are
    the server's own counts, ABSENT where it gives none, or one that cannot be true, which `disbelieved` then quotes.
    `prefill_ns` is how long the server says that the prompt took, without waiting; ABSENT where it does not.
    `whole` is True once `end` has found nothing wrong.

    allow_empty: a response without a piece is no error.
    streamed: the response comes as events; otherwise it is one document, whose instant is that of its end.
    """

    __slots__ = (
        *("_allow_empty", "_form", "_forms_left", "_now_ns", "_sse", "_texts", "answer_ns", "cached_tokens"),
        *("disbelieved", "done", "finish", "instants_ns", "prefill_ns", "prompt_tokens", "streamed", "usage_tokens"),
        *("usual", "whole"),
    )

    def __init__(self, *, allow_empty: bool = False, streamed: bool = True) -> None:
        self._sse = SseParser(documents=True)
        self._texts: list[str] = []
        self._allow_empty = allow_empty
        self._now_ns = 0
        self._form: UsualPiece | None = None  # the one that was found last
        self.usual: UsualPiece | None = None  # the same while no event is unfinished
        self._forms_left = MOST_FORMS
        self.streamed = streamed
        self.instants_ns = array("q")
        self.answer_ns = ABSENT
        self.prompt_tokens = self.cached_tokens = self.usage_tokens = self.prefill_ns = ABSENT
        self.disbelieved = ""
        self.finish = ""
        self.done = False
        self.whole = False

    @property
    def text(self) -> str:
        """The text of the response, without the model's reasoning."""
        return "".join(self._texts)

    @property
    def first_ns(self) -> int:
        """Arrival time of the first piece; ABSENT while there is none, and where nothing is streamed."""
        return self.instants_ns[0] if self.streamed and self.instants_ns else ABSENT

    @property
    def result_count(self) -> int:
        """Number of results in the response, such as embeddings; ABSENT where it has output tokens instead."""
        return ABSENT

    @property
    def output_tokens(self) -> int:
        """Number of tokens in the response: the server's count, or that of the pieces where it has counted fewer.

        A document is one piece, whatever it holds: only the server can count its tokens, and never none.
        """
        return max(self.usage_tokens, len(self.instants_ns)) if self.streamed else self.usage_tokens or ABSENT

    @property
    def is_only_pieces(self) -> bool:
        """Whether whole pieces have arrived, and nothing else that a stream keeps."""
        counts = (self.prompt_tokens, self.cached_tokens, self.usage_tokens)
        said = self.done or self.finish or self.disbelieved or counts != (ABSENT, ABSENT, ABSENT)
        return not said and not self._sse.pending

    def doubt_usage(self, most_tokens: int) -> None:
        """Drop the server's count of a stream where it is more than was asked for at most, and its pieces are not.

        A server that ignores the limit sends more pieces too. One that does, and has several tokens in a piece, is then
        taken at its pieces, which are fewer than its tokens: too low is better than a rate that nobody saw.
        """
        doubted = self.streamed and self.usage_tokens > MOST_OVER * most_tokens + 1
        if doubted and len(self.instants_ns) <= most_tokens:
            said = f"completion_tokens {self.usage_tokens}, where {most_tokens} were asked for at most"
            self.disbelieved = f"usage with {said} and {len(self.instants_ns)} pieces came"
            self.usage_tokens = ABSENT

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read the next bytes of the body, which arrived at `now_ns`. Raises StreamError."""
        if self.takes_piece(data, now_ns):
            return
        pieces, began_whole = len(self.instants_ns), not self._sse.pending
        self._feed_events(data, now_ns)
        if self._sse.pending:
            self.usual = None
            return
        is_new = self._form is None or not self._form.fits(data)
        if began_whole and is_new and self._forms_left and len(self.instants_ns) == pieces + 1:
            self._forms_left -= 1
            self._form = usual_piece(data, self._another) or self._form
        self.usual = self._form

    def takes_piece(self, data: bytes, now_ns: int) -> bool:
        """Read a piece that equals the last one but for its text. False: `data` is something else, and not read."""
        usual = self.usual
        return usual is not None and self.takes_text(usual.text_of(data), now_ns)

    def takes_text(self, text: bytes, now_ns: int) -> bool:
        """Read a piece of the `usual` form by its text alone. False: its text may mean more, and nothing is read."""
        shown = SHOWN_TEXTS.get(text) or shown_text(text)
        usual = self.usual
        if not shown or usual is None:
            return False
        self._now_ns = now_ns
        self._forms_left = MOST_FORMS
        self.instants_ns.append(now_ns)
        if usual.speaks:
            self._texts.append(shown)
        if usual.answers and self.answer_ns < 0:
            self.answer_ns = now_ns
        return True

    def _say_done(self, event: bytes) -> None:
        """Where an event without data is `[DONE]`, the response is over: clients read no piece that follows."""
        if DONE in event:
            self.done = True
            self._form = None  # so that none is taken by its form either

    def _another(self) -> OutputStream:
        """An empty stream of this kind, which looks for no form."""
        stream = type(self)()
        stream._forms_left = 0  # noqa: SLF001  (of the same class)
        return stream

    def _feed_events(self, data: bytes, now_ns: int) -> None:
        self._now_ns = now_ns
        try:
            events = self._sse.feed(data)
        except SseError as error:
            raise StreamError(str(error)) from error
        for event in events:
            self._take(event, now_ns)
        if self._sse.failure is not None:
            raise _failed(self._sse.failure)

    def document(self, body: bytes, now_ns: int) -> None:
        """Read the whole body of a response that is one document, and arrived at `now_ns`. Raises StreamError."""
        require_document(body)
        self._take(body, now_ns)
        del self.instants_ns[1:]
        self.answer_ns = ABSENT
        self.done = True
        self.end()

    def end(self) -> None:
        """Call this when the body has ended. Raises StreamError where the response has not, or is empty."""
        cut = self._take_rest()
        self._refuse_stray()
        if not self.done and (cut or not self.finish):
            if self.instants_ns:
                raise StreamError("the stream was cut: it ended without [DONE] or a finish reason")
            said = f": {body_text(self._sse.stray)}" if self._sse.stray else ""
            raise StreamError(f"the stream ended before its first token{said}")
        if not self.instants_ns and not self._allow_empty:
            reason = f"finish reason {quoted(self.finish)}" if self.finish else "[DONE]"
            raise StreamError(f"the response is empty: the stream ended with {reason} and without any output")
        self.whole = True

    def _refuse_stray(self) -> None:
        """Raises StreamError where a line that is no field reports a failure, as of servers that fall back to JSON."""
        for line in self._sse.stray.splitlines() if self.instants_ns else ():
            if (said := reported_in(line)) is not None:
                raise StreamError(f"the stream says: {said}", refusal_in(line))

    def _take_rest(self) -> bool:
        """Read what has no line break or no blank line after it. Returns whether it is a part of an event only."""
        cut = False
        for event in self._sse.end():
            try:
                self._take(event, self._now_ns)
            except NoEventError:
                cut = True
        if self._sse.failure is not None:
            raise _failed(self._sse.failure)
        return cut

    @abstractmethod
    def _take(self, event: bytes, now_ns: int) -> None:
        """Read the data of one event, or a whole document. Raises StreamError."""

    def _tokens(self, name: str, said: Any) -> int:
        """A count from the usage; ABSENT where it can be none, which is noted in `disbelieved`."""
        if type(said) in (int, float) and said == said // 1 and 0 <= said <= MAX_TOKENS:
            return int(said)
        self.disbelieved = f"usage with {name} {quoted(short_text(said))}"
        return ABSENT

    def _answer(self, now_ns: int) -> None:
        self.instants_ns.append(now_ns)
        if self.answer_ns == ABSENT:
            self.answer_ns = now_ns


def no_event(event: bytes, kind: str) -> StreamError:
    """The error of an event that cannot be decoded as a `kind`: it may report a failure in a form of its own."""
    try:
        said = failure_of(parse_json(event))
    except JsonError:
        said = None
    if said is not None:
        return StreamError(f"the stream says: {said}", refusal_in(event))
    return NoEventError(f"the stream holds an event that is no {kind}: {body_text(event)}")


def refuse_failure(event: bytes, error: object) -> None:
    """Raises StreamError where an event reports a failure."""
    try:
        document = parse_json(event)
        if isinstance(document, dict) and set(document) == {"message"}:  # an event that has nothing else
            error = error or document["message"]
        said = failure_of(document) or (quoted(short_text(error)) if error else None)
    except JsonError as reason:
        raise StreamError(f"the stream holds an event that cannot be read: {reason}") from reason
    if said is not None:
        raise StreamError(f"the stream says: {said}", refusal_in(event))


def require_document(body: bytes) -> None:
    """Raises StreamError where a body that should be one document reports a failure, is a web page, or is empty."""
    said = failure_in(body)
    if said is not None:
        raise StreamError(f"the response is no answer: {said}", refusal_in(body))


def _failed(data: bytes) -> StreamError:
    return StreamError(f"the stream says: {body_text(data) or 'an error, without a word'}", refusal_in(data))
