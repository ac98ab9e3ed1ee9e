import pytest

from harness.errors import UserError
from harness.plan.request_mix import parse_mix

KNOWN = ("predict", "explain")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("predict", {"predict": 1.0}),
        ("predict:95+explain:5", {"predict": 95.0, "explain": 5.0}),
        ("explain+predict", {"explain": 1.0, "predict": 1.0}),
        (" predict:0.5 + explain:1.5 ", {"predict": 0.5, "explain": 1.5}),
        ("predict:1+explain:0", {"predict": 1.0}),
    ],
)
def test_a_mix_is_read_as_weights_in_its_order(text, weights):
    assert parse_mix(text, KNOWN) == weights
    assert list(parse_mix(text, KNOWN)) == list(weights)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("predict:95+explian:5", "explain"),
        ("predict,explain", "predict:95"),
        ("predict:-1", "predict:95"),
        ("predict+predict", "each class once"),
        ("predict:0+explain:0", "above 0"),
        ("", "predict:95"),
    ],
)
def test_a_mix_that_means_nothing_is_refused_with_the_remedy(text, says):
    with pytest.raises(UserError, match=says):
        parse_mix(text, KNOWN)


def test_names_are_not_asked_where_nobody_knows_them():
    assert parse_mix("anything:2+other") == {"anything": 2.0, "other": 1.0}
