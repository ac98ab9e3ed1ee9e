"""Requests of the user's own, from options or from a recipe."""

from harness.cli.parts.own_request_options import with_own_requests
from harness.plan.plan import Plan
from harness.plan.target_spec import UrlTarget, find_target
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
