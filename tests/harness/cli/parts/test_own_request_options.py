"""Requests of the user's own, from options or from a recipe."""

import msgspec
import pytest

from harness.cli.parts.own_request_options import with_own_requests
from harness.errors import UserError
from harness.plan.plan import Plan
from harness.plan.target_spec import UrlTarget, find_target
from harness.wire.credentials import HEADERS, add_headers, own_headers
from harness.wire.own.own_request import OwnRequest

RECIPE = """
name = "shop"
doc = "a gRPC service"
command = ["serve", "{port}"]
url = "grpc://127.0.0.1:{port}"
expect = "$.label = {label}"
[request]
proto = "shop.proto"
method = "shop.Labels/Label"
body = '{"word": {"text": "{text}"}}'
data = "rows.csv"
"""
NONE = OwnRequest()


def test_a_recipe_keeps_its_own_model_whatever_method_is_called(tmp_path):
    (tmp_path / "shop.toml").write_text(RECIPE)
    spec = find_target(str(tmp_path / "shop.toml"))
    plan = with_own_requests(Plan(target="shop.toml", scenario="predict"), NONE, spec)
    assert (plan.model or spec.models[0], plan.load.protocol) == ("shop", "grpc-method")
    assert spec.speaks(plan.load.protocol)
    assert plan.load.expect == "$.label = {label}"
    assert plan.request.data == str(tmp_path / "rows.csv")


def test_the_method_of_a_service_by_its_url_is_its_model():
    request = OwnRequest(method="shop.Labels/Label", body="{}")
    spec = UrlTarget("grpc://127.0.0.1:9000")
    assert with_own_requests(Plan(target=spec.url, scenario="predict"), request, spec).model == "Label"


@pytest.mark.parametrize(
    "written", ['{ "X-Api-Key" = "@key.txt", "X-Team" = "${TEAM}" }', '["X-Api-Key: @key.txt", "X-Team: $TEAM"]']
)
def test_headers_of_a_recipe_are_read_beside_it_and_are_in_no_plan(tmp_path, monkeypatch, written):
    (tmp_path / "key.txt").write_text("s3cret-of-mine\n")
    (tmp_path / "shop.toml").write_text(f"{RECIPE}headers = {written}\n")
    monkeypatch.setenv("TEAM", "blue")
    monkeypatch.setenv(HEADERS, "X-Team: given")  # by --header, which wins
    spec = find_target(str(tmp_path / "shop.toml"))
    recipe = spec.recipe
    add_headers(recipe.request.lines, "header", recipe.folder)
    assert own_headers() == (("X-Team", "given"), ("X-Api-Key", "s3cret-of-mine"))
    plan = with_own_requests(
        Plan(target="shop.toml", scenario="predict"), NONE, find_target(str(tmp_path / "shop.toml"))
    )
    assert b"s3cret" not in msgspec.json.encode(plan)
    assert type(plan.request) is OwnRequest


def test_a_recipe_of_headers_alone_describes_no_request(tmp_path):
    head = RECIPE.partition("[request]")[0].replace("grpc://", "http://").replace('expect = "$.label = {label}"', "")
    (tmp_path / "shop.toml").write_text(head + '[request]\nheaders = ["X-Team: blue"]\n')
    spec = find_target(str(tmp_path / "shop.toml"))
    assert not with_own_requests(Plan(target="shop.toml", scenario="predict"), NONE, spec).request.given


def test_a_field_that_a_recipe_does_not_have_is_named_with_those_that_it_has(tmp_path):
    (tmp_path / "shop.toml").write_text(f"{RECIPE}header = 1\n")
    with pytest.raises(UserError, match=r"unknown field `header`.*; its fields are .*headers"):
        find_target(str(tmp_path / "shop.toml"))
    (tmp_path / "shop.toml").write_text(f"retries = 1\n{RECIPE}")
    with pytest.raises(UserError, match=r"unknown field `retries`; its fields are name, doc, command, "):
        find_target(str(tmp_path / "shop.toml"))
