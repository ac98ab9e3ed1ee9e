"""Lengths and shares of a language model's load as knobs."""

import pytest

from harness.errors import UserError
from harness.plan.chat_shape import ChatShape, Length


def test_knobs_take_the_place_of_lengths():
    shape = ChatShape(prompt_tokens=Length(low=1, high=9)).with_knobs({"prompt_tokens": 512, "prefix_share": 0.5})
    assert (str(shape.prompt_tokens), shape.prefix_share, shape.needs_vocabulary) == ("512", 0.5, True)
    assert ChatShape().with_knobs({}) == ChatShape()
    with pytest.raises(UserError, match="give --prompt-tokens too"):
        ChatShape().with_knobs({"prefix_share": 0.5})
