import json

import numpy as np
import pytest

from harness.errors import UserError
from harness.wire.codec import WireError
from harness.wire.payload_bank import BankMeta
from harness.wire.protocols import make_codec, protocol_named
from harness.wire.server_url import parse_url

META = BankMeta(model="m", input_shape=(2,), output_shape=(1,))
ITEM = np.array([1, 2], np.float32)


def codec_of(form):
    return make_codec(f"json:{form}", parse_url("http://127.0.0.1:1/api"), META)


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("/predict", [1, 2]),
        ("/predict?send=[]", [[1, 2]]),
        ("/predict?send=x", {"x": [1, 2]}),
        ("/v1/m:predict?send=instances[]&take=predictions.0", {"instances": [[1, 2]]}),
    ],
)
def test_the_item_is_sent_where_the_form_says(form, sent):
    head, _, body = codec_of(form).encode(ITEM).partition(b"\r\n\r\n")
    assert json.loads(body) == sent
    assert head.startswith(f"POST /api{form.partition('?')[0]} HTTP/1.1".encode())


@pytest.mark.parametrize(
    ("take", "answer", "numbers"),
    [
        ("", [1.5, 2], [1.5, 2]),
        ("y", {"y": [[3]]}, [3]),
        ("outputs.0.data", {"outputs": [{"data": [4, 5]}]}, [4, 5]),
    ],
)
def test_the_numbers_are_taken_where_the_form_says(take, answer, numbers):
    assert codec_of(f"/predict?take={take}").decode(json.dumps(answer).encode()).tolist() == numbers


@pytest.mark.parametrize("answer", [{}, {"outputs": []}, {"outputs": ["text"]}, [], "x", {"outputs": [None]}])
def test_an_answer_without_numbers_there_is_none(answer):
    with pytest.raises(WireError, match=r"no numbers at outputs\.0"):
        codec_of("/predict?take=outputs.0").decode(json.dumps(answer).encode())


@pytest.mark.parametrize("form", ["predict", "", "/predict?sent=x"])
def test_a_form_that_cannot_be_read_shows_one_that_can(form):
    with pytest.raises(UserError, match=r"write it like .*send=inputs"):
        protocol_named(f"json:{form}")
