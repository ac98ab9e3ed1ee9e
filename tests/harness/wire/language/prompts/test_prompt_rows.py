"""Prompts and images from the data sets that people have."""

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import UserError
from harness.wire.prompt_bank import PromptBank

PIXEL = b"\x89PNG\r\n\x1a\nnot a whole picture"
URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"


def messages(*contents):
    return {
        "messages": [{"role": "system", "content": "be brief"}, *({"role": "user", "content": c} for c in contents)]
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cat.png").write_bytes(PIXEL)
    return tmp_path


@pytest.mark.parametrize(
    ("row", "text", "images"),
    [
        ({"prompt": "hi"}, "hi", ()),
        (messages("first", "second"), "first", ()),
        ({"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "yes"}]}, "hello", ()),
        ({"prompt": "what is it?", "image": "cat.png"}, "what is it?", (URL,)),
        (
            {"text": "two", "images": ["cat.png", "https://example.org/a.jpg"]},
            "two",
            (URL, "https://example.org/a.jpg"),
        ),
        (messages([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": URL}}]), "see", (URL,)),
    ],
)
def test_a_row_has_a_prompt_and_perhaps_images(folder, row, text, images):
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    bank = PromptBank.load(path)
    assert bank.prompts == (text,)
    assert bank.images == ((images,) if images else ())
    (folder / "rows.json").write_text(json.dumps([row, row]))
    assert PromptBank.load(folder / "rows.json").prompts == (text, text)


def test_a_parquet_file_has_rows_too(folder):
    rows = [messages("one"), messages("two")]
    pq.write_table(pa.table({"id": [1, 2], "messages": [row["messages"] for row in rows]}), folder / "chats.parquet")
    assert PromptBank.load(folder / "chats.parquet").prompts == ("one", "two")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"prompt": "see", "image": "dog.png"}, "cannot be read"),
        ({"prompt": "see", "image": "cat.txt"}, "no name of an image"),
        ({"image": "cat.png"}, "no prompt"),
        (messages([{"type": "image_url", "image_url": {"url": URL}}]), "none of them is a text"),
        ({"id": 3}, "no prompt"),
    ],
)
def test_a_row_without_what_it_should_have_is_refused_in_words(folder, row, complaint):
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(UserError, match=complaint):
        PromptBank.load(path)


def test_a_file_that_is_no_parquet_is_refused_in_words(tmp_path):
    path = tmp_path / "chats.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match="not a readable bank"):
        PromptBank.load(path)
