"""Conversations against scripted servers: good streams, and every way a stream can go wrong."""

import gzip
import itertools
import json
import time

import numpy as np
import pytest

from harness.errors import UserError
from harness.measure.load.chat.conversations import Turn
from harness.measure.load.load_assembly import assemble
from harness.plan.chat_shape import ChatShape
from harness.plan.load_options import chat_of
from harness.plan.load_settings import TrialLoad
from harness.plan.request_mix import ClassShare, RequestClass
from harness.record.rows import ABSENT, Outcome
from harness.record.token_times import read_tokens
from harness.wire.language.generation_options import TakenFields
from harness.wire.prompt_bank import PromptBank
from tests.harness.measure.load.conftest import Bench

pytestmark = pytest.mark.process

CHAT = (ClassShare(name="chat", request_class=RequestClass(verb="chat")),)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BANK = PromptBank(model="m", prompts=("one", "two"), expected=("Hello world", "Hello world"))


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def token(text, finish=None):
    return event({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
DONE = b"data: [DONE]\n\n"
GOOD = [HEAD, chunk(token("Hello")), chunk(token(" world", "length")), chunk(USAGE + DONE), b"0\r\n\r\n"]


class ChatBench(Bench):
    def __init__(self, folder, url, *, words=None, bank=BANK, **options):
        bank.save(folder / "prompts.json")
        chat = chat_of({"turns": "1", **(words or {})})
        given = {
            "model": "m",
            "protocol": "openai",
            "bank": str(folder / "prompts.json"),
            "classes": CHAT,
            "chat": chat,
        }
        self.folder = folder
        self._start(TrialLoad(trial_dir=str(folder), **given | {"timeout_s": 5.0} | options), url)

    def _start(self, options, url):
        import select

        self.options = options
        self.load = assemble(options, url, lambda module, name: getattr(__import__(module), name))
        self.load.open()
        self.poller = select.epoll()
        self.poller.register(self.load.engine.fileno(), select.EPOLLIN)

    def tokens(self):
        table = read_tokens(self.folder / "tokens.arrow")
        return {line["request"]: line["instants_ns"] for line in table.to_pylist()}


@pytest.fixture
def chat(tmp_path):
    return lambda server, **options: ChatBench(tmp_path, server.url, **options)


def test_impossible_token_counts_are_left_out_and_counted(serve, chat):
    usage = chunk(event({"choices": [], "usage": {"prompt_tokens": 10**30, "completion_tokens": 2**40}}))
    load = chat(serve(lambda number, request, connection: [*GOOD[:3], usage, chunk(DONE), GOOD[-1]]))
    rows, report = load.run(2)
    assert (report.ok, rows[0]["prompt_tokens"], rows[0]["output_tokens"]) == (len(rows), None, 2)
    assert sum(report.disbelieved.values()) == len(rows)
    assert "completion_tokens 1099511627776" in next(iter(report.disbelieved))


def test_a_stream_has_its_tokens_on_record(serve, chat):
    load = chat(serve(lambda number, request, connection: GOOD))
    rows, report = load.run(2)
    row = rows[0]
    assert (report.ok, row["prompt_tokens"], row["output_tokens"], row["checked"]) == (len(rows), 3, 2, 1)
    instants = load.tokens()[row["request"]]
    assert row["sent_ns"] <= row["first_byte_ns"] <= row["first_token_ns"] == instants[0] <= instants[1]
    assert instants[1] <= row["done_ns"]
    assert report.request_classes == ("chat",)


def test_a_row_has_what_was_asked_what_was_counted_and_when_the_answer_began(serve, chat):
    thought = event({"choices": [{"delta": {"reasoning": "hm"}}]})
    answer = [HEAD, chunk(thought), "wait", chunk(token("Hello", "stop") + USAGE + DONE), b"0\r\n\r\n"]

    def script(number, request, connection):
        for piece in answer:
            if piece != "wait":
                connection.sendall(piece)
            else:
                time.sleep(0.01)
        return []

    rows, _ = chat(serve(script), words={"output_tokens": "7"}).run(1)
    row = rows[0]
    assert (row["asked_tokens"], row["usage_tokens"], row["output_tokens"]) == (7, 2, 2)
    assert row["first_answer_ns"] - row["first_token_ns"] > 5_000_000  # the server sleeps for 10 ms between them
    rows, _ = chat(serve(script), words={"output_tokens": "7", "ignore_eos": "off"}).run(1)
    assert rows[0]["asked_tokens"] is None
    rows, _ = chat(serve(script), words={"output_tokens": "7", "extra_body": '{"n": 3}'}).run(1)
    assert rows[0]["asked_tokens"] == 21  # of three responses to one request


@pytest.mark.parametrize(
    ("prompt_ms", "wait_ns"), [(0.0, "all"), (3_600_000, 0), (-1, None), (1e300, None), ("no", None), (True, None)]
)
def test_what_the_server_says_that_a_prompt_took_leaves_the_wait(serve, chat, prompt_ms, wait_ns):
    timed = chunk(event({"choices": [], "usage": {}, "timings": {"prompt_ms": prompt_ms, "predicted_ms": 1}}))
    rows, _ = chat(serve(lambda number, request, connection: [*GOOD[:3], timed, chunk(DONE), GOOD[-1]])).run(1)
    (row,) = rows[:1]
    assert row["queue_ns"] == (row["first_token_ns"] - row["sent_ns"] if wait_ns == "all" else wait_ns)


def test_an_event_split_over_packets_is_one_event(serve, chat):
    whole = b"".join(GOOD)
    pieces = [whole[start : start + 7] for start in range(0, len(whole), 7)]
    rows, report = chat(serve(lambda number, request, connection: pieces)).run(1)
    assert (report.ok, report.error) == (len(rows), 0)
    assert rows[0]["output_tokens"] == 2


def test_without_usage_tokens_are_counted_and_the_prompt_is_not_known(serve, chat):
    answer = [HEAD, chunk(token("Hello")), chunk(token(" world", "stop") + DONE), b"0\r\n\r\n"]
    rows, _ = chat(serve(lambda number, request, connection: answer)).run(1)
    assert (rows[0]["prompt_tokens"], rows[0]["output_tokens"]) == (None, 2)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([*GOOD[:2], "close"], "the stream was cut: the connection was closed in the middle"),
        ([*GOOD[:2], b"0\r\n\r\n"], "the stream was cut: it ended without [DONE] or a finish reason"),
        ([HEAD, chunk(DONE[:5]), b"0\r\n\r\n"], "the stream ended before its first token"),
        ([HEAD, chunk(b"data: {oops}\n\n")], "the stream holds an event that is no chat completion chunk"),
        ([HEAD, chunk(event({"error": "gone"}))], "the stream says: gone"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"],
            "HTTP 200: no event stream, but application/json: {}",
        ),
        ([HEAD, b"nonsense\r\n"], "not an HTTP response"),
    ],
)
def test_a_bad_stream_is_counted_in_words_and_the_next_one_is_good(serve, chat, answer, complaint):
    def script(number, request, connection):
        if number:
            return GOOD
        for piece in answer:
            if piece == "close":
                return "close"
            connection.sendall(piece)
        return []

    rows, report = chat(serve(script)).run(2)
    assert report.error == 1
    assert report.ok == len(rows) - 1
    assert any(text.startswith(complaint) for text in report.errors)


def whole(status, kind, body):
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            whole(b"200 OK", b"application/json", b'{"error":{"message":"Rate limit reached","code":429}}'),
            "HTTP 200: no event stream, but application/json: Rate limit reached",
        ),
        (
            whole(b"202 Accepted", b"application/json", b'{"id":"queued-1"}'),
            'HTTP 202: no event stream, but application/json: {"id":"queued-1"}',
        ),
        (
            whole(b"200 OK", b"text/html", b"<!DOCTYPE html><html><title>Sign in</title></html>"),
            "HTTP 200: no event stream, but text/html: Sign in",
        ),
        (whole(b"204 Gone quiet", b"text/plain", b""), "HTTP 204: no event stream, but text/plain: an empty body"),
        (
            [HEAD, chunk(DONE), b"0\r\n\r\n"],
            "the response is empty: the stream ended with [DONE] and without any output",
        ),
    ],
)
def test_what_comes_in_place_of_a_stream_is_quoted(serve, chat, answer, text):
    _, report = chat(serve(lambda number, request, connection: answer)).run(1)
    assert (report.ok, set(report.errors) - {"still open at the end"}) == (0, {text})


def test_an_empty_answer_may_be_allowed(serve, chat):
    answer = [HEAD, chunk(token("", "stop") + DONE), b"0\r\n\r\n"]
    server = serve(lambda number, request, connection: answer)
    rows, report = chat(server, words={"allow_empty": "on"}, check="off").run(1)
    assert (report.ok, report.error) == (len(rows), 0)
    assert (rows[0]["first_token_ns"], rows[0]["output_tokens"]) == (None, None)


@pytest.mark.parametrize("kind", [b"", b"Content-Type: text/plain\r\n"])
def test_a_stream_without_its_type_is_a_stream_all_the_same(serve, chat, kind):
    head = b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n" % kind
    rows, report = chat(serve(lambda number, request, connection: [head, *GOOD[1:]])).run(1)
    assert (report.ok, rows[0]["output_tokens"]) == (len(rows), 2)


def test_a_compressed_stream_is_read_as_it_arrives(serve, chat):
    body = gzip.compress(token("Hello") + token(" world", "stop") + USAGE + DONE)
    head = HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    pieces = [chunk(body[start : start + 40]) for start in range(0, len(body), 40)]
    rows, report = chat(serve(lambda number, request, connection: [head, *pieces, b"0\r\n\r\n"])).run(1)
    assert (report.ok, rows[0]["output_tokens"]) == (len(rows), 2)


def test_a_token_that_a_server_repeats_is_not_on_record(serve, chat):
    answer = [HEAD, chunk(event({"error": "bad key s3cret"})), b"0\r\n\r\n"]
    load = chat(serve(lambda number, request, connection: answer))
    load.load.ledger.secrets = (b"s3cret",)
    _, report = load.run(1)
    assert "the stream says: bad key [token]" in report.errors


def test_tokens_of_a_cut_stream_are_kept(serve, chat):
    def script(number, request, connection):
        connection.sendall(b"".join(GOOD[:2]))
        return "close"

    load = chat(serve(script))
    rows, _ = load.run(1)
    assert rows[0]["output_tokens"] == 1
    assert len(load.tokens()[rows[0]["request"]]) == 1


def test_a_head_without_a_token_is_a_timeout(serve, chat):
    rows, report = chat(serve(lambda number, request, connection: [HEAD]), timeout_s=0.2).run(1)
    assert report.timeout >= 1
    assert "timeout: no first token within 0.2 s" in report.errors
    assert rows[0]["first_token_ns"] is None


def test_a_refusal_is_a_refusal(serve, chat):
    body = b'{"error":{"message":"the queue is full"}}'
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    _, report = chat(serve(lambda number, request, connection: answer)).run(1)
    assert report.rejected >= 1
    assert "HTTP 503: the queue is full" in report.errors


OVERLOADED = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
FULL = event({"error": {"object": "error", "message": "The request queue is full.", "code": 503}})
LIMITED = {"error": {"message": "Rate limit reached", "code": 429, "metadata": {"retry_after": 0.15}}}


@pytest.mark.parametrize(
    ("answer", "outcome", "least_ms"),
    [
        ([HEAD, chunk(b"event: error\n" + OVERLOADED)], Outcome.REJECTED, 100),
        ([HEAD, chunk(FULL + DONE), b"0\r\n\r\n"], Outcome.REJECTED, 100),
        ([*GOOD[:2], chunk(event(LIMITED))], Outcome.REJECTED, 150),
        (whole(b"200 OK", b"application/json", json.dumps(LIMITED).encode()), Outcome.REJECTED, 150),
        ([HEAD, chunk(event({"error": {"message": "CUDA out of memory", "code": 500}}))], Outcome.ERROR, 100),
        ([HEAD, chunk(DONE), b"0\r\n\r\n"], Outcome.ERROR, 100),
        (whole(b"500 Oops", b"text/plain", b"x"), Outcome.ERROR, 100),
        ("close", Outcome.ERROR, 100),
    ],
    ids=["overloaded", "full", "limited", "limited, no stream", "error", "only done", "status 500", "closed"],
)
def test_a_refusal_inside_a_stream_or_a_failure_is_waited_for_longer_each_time(serve, chat, answer, outcome, least_ms):
    rows, report = chat(serve(lambda number, request, connection: answer)).run(3)
    waits_ns = [after["due_ns"] - before["done_ns"] for before, after in itertools.pairwise(rows[:3])]
    second_ms = least_ms if least_ms > 100 else 2 * least_ms  # a time that the server asks for is kept to
    assert waits_ns == [least_ms * 1_000_000, second_ms * 1_000_000]
    assert {row["outcome"] for row in rows[:3]} == {outcome}
    assert report.ok == 0


def test_another_text_than_the_models_own_is_wrong(serve, chat):
    answer = [HEAD, chunk(token("Help", "stop") + DONE), b"0\r\n\r\n"]
    _, report = chat(serve(lambda number, request, connection: answer)).run(1)
    assert report.wrong >= 1


def asked(server):
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]


def test_the_context_grows_with_the_turns_and_a_conversation_ends(serve, chat):
    server = serve(lambda number, request, connection: GOOD)
    chat(server, words={"turns": "3"}).run(4)
    first, second, third, fourth = asked(server)[:4]
    assert [len(each["messages"]) for each in (first, second, third, fourth)] == [1, 3, 5, 1]
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": "Hello world"}]
    assert third["messages"][:3] == second["messages"]


def test_a_turn_that_fails_ends_its_conversation(serve, chat):
    failure = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
    server = serve(lambda number, request, connection: failure if number == 1 else GOOD)
    chat(server, words={"turns": "5"}).run(3)
    assert [len(each["messages"]) for each in asked(server)[:3]] == [1, 3, 1]


def test_lengths_come_from_the_trace_in_its_order(serve, chat, tmp_path):
    (tmp_path / "lengths.csv").write_text("seconds,prompt,output\n0.0,2,5\n0.5,4,9\n")
    server = serve(lambda number, request, connection: GOOD)
    rows, report = chat(server, words={"lengths": str(tmp_path / "lengths.csv")}).run(3)
    sizes = [(len(each["messages"][0]["content"].split()), each["max_tokens"]) for each in asked(server)[:3]]
    assert sizes == [(2, 5), (4, 9), (2, 5)]
    assert report.wrong == 0  # nobody knows the right answer to a prompt that was made up
    assert rows[0]["checked"] == 0


def test_the_same_seed_says_the_same(serve, chat):
    def said(seed):
        server = serve(lambda number, request, connection: GOOD)
        chat(server, words={"turns": "1-4", "prompt_words": "1-9", "output_tokens": "lognormal:20,0.8"}, seed=seed).run(
            8
        )
        return [(each["messages"], each["max_tokens"]) for each in asked(server)[:8]]

    assert said(1) == said(1) != said(2)


def test_a_server_that_closes_after_each_stream_unannounced_costs_one_request_sent_again(serve, chat):
    used = set()

    def script(number, request, connection):
        first = connection not in used
        used.add(connection)
        return GOOD if first else "close"

    load = chat(serve(script))
    rows, report = load.run(8, users=2)
    assert (report.ok, report.error) == (len(rows), 0)
    assert len(rows) >= 8
    assert report.resent == 2  # once for each user: then their connections are not used twice


def test_a_user_who_hangs_up_cancels_the_response_and_goes_on(serve, chat):
    closed = []

    def script(number, request, connection):
        connection.sendall(HEAD)
        for _ in range(200):  # as long as somebody listens
            try:
                connection.sendall(chunk(token("w ")))
            except OSError:
                closed.append(number)
                return "close"
            time.sleep(0.002)
        connection.sendall(chunk(token("", "stop") + DONE) + b"0\r\n\r\n")
        return []

    server = serve(script)
    load = chat(server, words={"hang_up": "0.999", "output_tokens": "9"}, check="off")
    rows, report = load.run(6, users=2)
    assert (report.cancelled, report.ok, report.error, report.errors) == (len(rows), 0, 0, {})
    assert all(1 <= row["output_tokens"] <= 12 and row["first_token_ns"] <= row["done_ns"] for row in rows)
    assert {row["outcome"] for row in rows} == {int(Outcome.CANCELLED)}
    deadline = time.monotonic() + 5
    while len(closed) < len(rows) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(closed) == len(rows)  # the server notices each


def pieces_at_once(count):
    """A whole response of so many pieces, in one write."""
    last = chunk(token("", "stop") + DONE) + b"0\r\n\r\n"
    return lambda number, request, connection: [HEAD + b"".join(chunk(token("w ")) for _ in range(count)) + last]


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_of_responses_that_are_read_at_once_the_asked_share_is_left(serve, chat, pieces):
    load = chat(serve(pieces_at_once(pieces)), words={"hang_up": "0.25", "output_tokens": "40"}, check="off")
    leaving = [opening.turn.leave_at > 0 for opening in load.load.engine.request_maker.made]
    rows, report = load.run(100, users=1)
    asked = sum(leaving[: len(rows)])
    assert (report.cancelled, report.ok) == (asked, len(rows) - asked)
    assert 0 < asked < len(rows)


@pytest.mark.parametrize(("pieces", "latest"), [(10, 5), (40, 20), (1, 1)])
def test_users_leave_in_the_first_half_of_what_responses_hold(serve, chat, pieces, latest):
    load = chat(serve(pieces_at_once(pieces)), words={"hang_up": "0.5", "output_tokens": "40"}, check="off")
    source = load.load.engine.request_maker.source
    load.run(80, users=1)
    turn = Turn([], 40, 0, opening=True, leave_at=0.5)
    assert (source.pieces_before(turn), source.pieces_before(turn._replace(leave_at=0.0))) == (latest, 1)
    assert source.pieces_before(turn._replace(leave_at=ABSENT)) == ABSENT


VECTORS = {"one": [1.0, 0.0, 0.0], "two": [0.0, 1.0, 0.0]}
EMBEDDED = PromptBank(model="m", prompts=("one", "two"), vectors=tuple(map(tuple, VECTORS.values())))


@pytest.mark.parametrize(
    ("off", "outcome"), [([0, 0, 0.0], Outcome.OK), ([0.02, 0.02, 0.02], Outcome.OK), ([0, 0, 0.06], Outcome.WRONG)]
)
def test_embeddings_are_compared_with_the_users_vectors_by_their_cosine(serve, chat, off, outcome):
    # cos of (1.02, 0.02, 0.02) and (1, 0, 0) is 0.99962; of (1, 0, 0.06) it is 0.9982
    def script(number, request, connection):
        texts = json.loads(request.partition(b"\r\n\r\n")[2])["input"]
        data = [{"index": at, "embedding": [a + 2 * b for a, b in zip(np.array(VECTORS[text]) * 2, off, strict=True)]}
                for at, text in enumerate(texts)]  # fmt: skip
        return whole(b"200 OK", b"application/json", json.dumps({"data": data}).encode())

    load = chat(serve(script), bank=EMBEDDED, protocol="openai-embeddings", words={"texts": "2"})
    rows, report = load.run(4)
    assert {row["outcome"] for row in rows} == {int(outcome)}
    assert (rows[0]["result_count"], rows[0]["first_token_ns"], rows[0]["checked"]) == (2, None, 1)
    assert report.errors == ({} if outcome is Outcome.OK else report.errors)


RANKED = PromptBank(
    model="m", prompts=("fruit", "colour"), documents=(("apple", "stone"), ("red", "two", "blue")),
    scores=((3.0, -4.0), (5.0, 0.0, 12.0)),
)  # fmt: skip


@pytest.mark.parametrize(("swapped", "outcome"), [(False, Outcome.OK), (True, Outcome.WRONG)])
def test_scores_of_the_users_documents_are_compared_in_their_order(serve, chat, swapped, outcome):
    known = dict(zip(RANKED.prompts, zip(RANKED.documents, RANKED.scores, strict=True), strict=True))

    def script(number, request, connection):
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        documents, scores = known[asked["query"]]
        assert asked["documents"] == list(documents)
        results = [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]
        results.sort(key=lambda each: -each["relevance_score"])  # as servers give them
        if swapped:
            results[0]["index"], results[1]["index"] = results[1]["index"], results[0]["index"]
        return whole(b"200 OK", b"application/json", json.dumps({"results": results}).encode())

    rows, _ = chat(serve(script), bank=RANKED, protocol="rerank").run(4)
    assert {row["outcome"] for row in rows} == {int(outcome)}
    assert {row["result_count"] for row in rows} == {2, 3}


SHORT = RequestClass(verb="chat", chat={"prompt_words": "5", "output_tokens": "3", "turns": "2"}, priority=0)
LONG = RequestClass(verb="chat", model="lora-a", chat={"prompt_words": "40", "output_tokens": "9"}, slo="ttft_p99<5s")
MIX = (
    ClassShare(name="short", weight=3.0, request_class=SHORT),
    ClassShare(name="long", weight=1.0, request_class=LONG),
)


def test_each_class_has_its_own_model_lengths_turns_and_priority(serve, chat):
    server = serve(lambda number, request, connection: GOOD)
    load = chat(server, classes=MIX, check="off")
    rows, report = load.run(200, users=4)
    assert report.ok == len(rows)
    assert (report.request_classes, report.class_slos) == (("short", "long"), ("", "ttft_p99<5s"))
    bodies = asked(server)
    kinds = {(body["model"], body["max_tokens"], body.get("priority")) for body in bodies}
    assert kinds == {("m", 3, 0), ("lora-a", 9, None)}
    words = {body["max_tokens"]: len(body["messages"][0]["content"].split()) for body in bodies}
    assert words == {3: 5, 9: 40}
    assert {len(body["messages"]) for body in bodies if body["max_tokens"] == 9} == {1}  # the other class has two turns
    of_class = [row["request_class"] for row in rows]
    assert {row["asked_tokens"] for row in rows if row["request_class"] == 0} == {3}
    # Of the conversations three in four are short, and those have two requests each: 6 of 7, within four deviations.
    assert of_class.count(0) / len(rows) == pytest.approx(6 / 7, abs=0.14)
    payloads = {row["request_class"]: {row["payload"]} for row in rows}
    assert max(max(own) for own in payloads.values()) < len(BANK.prompts)  # numbered within each class


def test_each_class_sends_the_fields_that_the_server_takes_of_it(serve, chat):
    server = serve(lambda number, request, connection: GOOD)
    shape = ChatShape(length_field="max_tokens", taken_by_class={
        "long": TakenFields("max_completion_tokens", ("temperature",))})  # fmt: skip
    chat(server, classes=MIX, chat=shape, check="off").run(40, users=4)
    own = {"max_tokens", "max_completion_tokens", "temperature"}
    assert {(body["model"], tuple(sorted(own & set(body)))) for body in asked(server)} == {
        ("m", ("max_tokens", "temperature")), ("lora-a", ("max_completion_tokens",)),
    }  # fmt: skip


def test_a_class_that_does_not_chat_is_refused_beside_those_that_do(serve, chat):
    server = serve(lambda number, request, connection: GOOD)
    with pytest.raises(UserError, match="class predict does not chat"):
        chat(server, classes=(*MIX, ClassShare(name="predict")))


def test_users_pause_between_the_turns_of_a_conversation_and_not_after_it(serve, chat):
    load = chat(serve(lambda number, request, connection: GOOD), words={"turns": "2", "tool_pause": "30ms"})
    rows, report = load.run(6, users=1)
    assert report.user_paced  # users do not always have a request open
    ordered = sorted(rows, key=lambda row: row["due_ns"])
    waits_ms = [(after["due_ns"] - before["done_ns"]) / 1e6 for before, after in itertools.pairwise(ordered)]
    assert waits_ms[:5] == [30.0, 0.0, 30.0, 0.0, 30.0]


def test_each_conversation_keeps_to_one_of_several_servers(serve, chat):
    servers = [serve(lambda number, request, connection: GOOD) for _ in range(3)]
    others = tuple(server.url for server in servers[1:])
    rows, report = chat(servers[0], words={"turns": "3"}, other_servers=others).run(36, users=2)
    assert report.ok == len(rows)
    assert report.servers == tuple(server.url for server in servers)
    for number, server in enumerate(servers):
        bodies = asked(server)
        assert sum(row["server"] == number for row in rows) == len(bodies) >= 9
        opened = sum(len(body["messages"]) == 1 for body in bodies)
        later = [body["messages"] for body in bodies if len(body["messages"]) > 1]
        first_lines = [body["messages"][0] for body in bodies if len(body["messages"]) == 1]
        assert all(messages[0] in first_lines for messages in later)
        assert len(later) <= 2 * opened
        assert all(server.url.removeprefix("http://").encode() in request for request in server.requests)
    assert sum(len(body["messages"]) == 5 for server in servers for body in asked(server)) >= 9


def test_with_one_server_no_row_names_it(serve, chat):
    rows, report = chat(serve(lambda number, request, connection: GOOD)).run(2)
    assert (report.servers, {row["server"] for row in rows}) == ((), {None})


def test_a_server_that_is_gone_fails_its_own_conversations_alone(serve, chat):
    good, gone = serve(lambda number, request, connection: GOOD), serve(lambda number, request, connection: GOOD)
    load = chat(good, other_servers=(gone.url,))
    gone.close()
    rows, _ = load.run(6, users=1)
    assert {(row["server"], row["outcome"] == Outcome.OK) for row in rows} == {(0, True), (1, False)}


@pytest.mark.parametrize(
    ("said", "pieces", "counted"),
    [
        (20, 2, 2),  # ten times what was asked for at most
        (2, 2, 2),
        (5, 2, 5),  # the limit is 5: a piece may hold several tokens
        (20, 20, 20),  # a server that ignores the limit
        (6, 2, 6),  # one more for the end
    ],
)
def test_a_count_beyond_what_was_asked_for_is_believed_only_where_as_much_came(serve, chat, said, pieces, counted):
    use = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": said}})
    answer = [HEAD, *[chunk(token("w "))] * pieces, chunk(token("", "length") + use + DONE), b"0\r\n\r\n"]
    load = chat(serve(lambda number, request, connection: answer), words={"output_tokens": "5"}, check="off")
    rows, report = load.run(2)
    assert {row["output_tokens"] for row in rows} == {counted}
    assert bool(report.disbelieved) == (said != counted)
