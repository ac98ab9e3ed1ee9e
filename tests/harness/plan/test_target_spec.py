import pytest

from harness.errors import UserError
from harness.plan.knobs import Knob, KnobSet
from harness.plan.server_recipe import ReadyCheck, ServerRecipe
from harness.plan.target_spec import (
    EmbeddedTarget,
    InProcessTarget,
    RecipeTarget,
    UrlTarget,
    find_target,
)

PORT = Knob(name="grpc_port", doc="", default=-1, swept=(-1,))


def embedded(*knobs):
    return EmbeddedTarget(name="toy", doc="", knobs=KnobSet("toy", knobs), models=("m",), command=("-m", "toy"))


def recipe(**fields):
    ready = ReadyCheck(line="ready")
    return RecipeTarget(ServerRecipe(name="r", doc="", command=("serve",), models=("m",), ready=ready, **fields))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("inprocess", InProcessTarget), ("batched", EmbeddedTarget), ("mosec", RecipeTarget), ("grpc://h:1", UrlTarget)],
)
def test_the_text_decides_the_kind(text, kind):
    target = find_target(text)
    assert isinstance(target, kind)
    assert target.name == text


def test_a_url_of_a_host_alone_ends_without_a_slash():
    assert find_target("http://h:1/") == UrlTarget("http://h:1")
    assert find_target("http://h:1/v/?a=1") == UrlTarget("http://h:1/v/?a=1")


def test_a_comma_parts_two_urls_and_stays_within_one():
    assert find_target("http://h:1/,https://i/v1") == UrlTarget("http://h:1", ("https://i/v1",))
    assert find_target("http://h:1/v?fields=a,b") == UrlTarget("http://h:1/v?fields=a,b")
    assert find_target("http://h:1/v?f=a,b,grpc://i:2") == UrlTarget("http://h:1/v?f=a,b", ("grpc://i:2",))


def test_an_address_without_a_scheme_is_refused_with_the_remedy():
    with pytest.raises(UserError, match=r"--target 127\.0\.0\.1:8000: .*http://"):
        find_target("127.0.0.1:8000")


@pytest.mark.parametrize(
    ("target", "speaks_grpc"),
    [
        (embedded(PORT), True),
        (embedded(), False),
        (recipe(grpc_url="grpc://127.0.0.1:{port2}"), True),
        (recipe(), False),
        (UrlTarget("http://h:1"), True),  # unknown, so it may be tried
        (find_target("inprocess"), False),
    ],
)
def test_grpc_is_spoken_where_it_has_a_port(target, speaks_grpc):
    assert target.speaks("grpc") is speaks_grpc


def test_only_a_server_with_a_grpc_port_is_given_one_and_only_for_grpc():
    assert embedded(PORT).setting_for({"grpc", "http-json"}) == {"grpc_port": 0}
    assert embedded(PORT).setting_for({"http-json"}) == {}
    assert embedded().setting_for({"grpc"}) == {}
    assert recipe(grpc_url="grpc://127.0.0.1:{port2}").setting_for({"grpc"}) == {}
