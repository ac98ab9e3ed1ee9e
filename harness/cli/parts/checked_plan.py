"""The plan of a draft, as far as it can be run here: with the models, scenario and limits of this machine."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.parts.own_request_options import OF_OWN_REQUESTS
from harness.cli.parts.plan_request import refuse_options, was_given
from harness.cli.parts.system_limits import require_open_files
from harness.errors import UserError, unknown_name
from harness.plan.arrivals import Closed
from harness.plan.load_options import CHAT
from harness.plan.option_text import names_of
from harness.plan.plan_draft import make_plan, model_of
from harness.plan.scenario import read_scenario
from harness.plan.target_spec import RecipeTarget, UrlTarget, is_model_file, refuse_other_files
from harness.run.tune_plan import make_tune_plan
from harness.wire.protocol import AUTO
from harness.wire.protocols import chats, find_protocol

if TYPE_CHECKING:
    from harness.plan.plan import Plan
    from harness.plan.plan_draft import Draft
    from harness.plan.scenario import Scenario
    from harness.run.tune_plan import TuneGoal


# Options of conversations that embeddings and rankings do not have: each is one request with one document.
OF_OUTPUT = (
    *("turns", "hang_up", "tool_pause", "output_tokens", "ignore_eos", "min_tokens", "stream", "length_field"),
    "allow_empty",
)


def checked_plan(draft: Draft) -> Plan:
    """The plan of a draft. Raises UserError where it cannot be run here."""
    plan = make_plan(draft, _checked_scenario(draft))
    files = [each for each in plan.models if is_model_file(each)]
    missing = [each for each in files if not Path(each).is_file()]
    if missing and draft.spec.models:
        raise UserError(f"--model {missing[0]}: no such file")
    if len(files) > len(missing) and isinstance(draft.spec, UrlTarget):
        raise UserError(f"--model {files[0]}: a server at a URL knows its model by a name, not by its file; give that "
                        f"name with --model, and --reference {files[0]} to compare its predictions")  # fmt: skip
    require_open_files(plan, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return plan


def checked_tune_plan(draft: Draft, goal: TuneGoal) -> Plan:
    """The plan of a search for the best setting of the draft's target. Raises UserError where it cannot be run here."""
    plan = make_tune_plan(draft, _checked_scenario(draft), goal)
    require_open_files(plan, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return plan


def _checked_scenario(draft: Draft) -> Scenario:
    """The draft's scenario, which its target can serve. Raises UserError."""
    scenario = read_scenario(draft.plan.scenario)
    _refuse_what_cannot_talk(draft, scenario)
    _refuse_what_users_do_not_take(draft, scenario)
    _refuse_what_conversations_do_not_take(draft, scenario)
    model = model_of(draft, scenario)
    if draft.spec.models and not draft.spec.serves(model):
        refuse_other_files(model)
        raise unknown_name(f"model of {draft.plan.target}", model, draft.spec.models)
    return scenario


def _refuse_what_users_do_not_take(draft: Draft, scenario: Scenario) -> None:
    """Raise UserError for options without effect on users that make requests of their own."""
    plan, path = draft.plan, draft.plan.scenario
    if not scenario.own_requests:
        return
    if scenario.foreign and not isinstance(draft.spec, (RecipeTarget, UrlTarget)) and not was_given("target"):
        raise UserError(f"--scenario {path}: its users make requests to a server of yours; give --target URL")
    if plan.capacity or (draft.kind and draft.kind != Closed.__struct_config__.tag) or "rate" in names_of(draft.words):
        raise UserError(f"--scenario {path}: its users send when their tasks do, at no rate of ours; sweep concurrency")
    own = (*OF_OWN_REQUESTS, "expect", "payloads", "reference", "shape", "protocol", "check", "tolerance", "think_time")
    refuse_options(own, f"the tasks in {path} make and check their requests themselves")


def _refuse_what_conversations_do_not_take(draft: Draft, scenario: Scenario) -> None:
    """Raise UserError for options without effect on conversations, or on a load that has none."""
    protocol = draft.plan.load.protocol
    if not scenario.chats:
        refuse_options([option.name for option in CHAT], "it is for conversations", "--scenario agent")
        return
    refuse_options(OF_OWN_REQUESTS, f"{draft.plan.scenario} makes its requests itself")
    refuse_options(
        ("expect", "payloads", "reference", "shape", "tolerance"),
        "responses of a language model are compared with what is expected of their prompts, and with nothing else",
        "--prompts FILE.json with `expected`",
    )
    if protocol != AUTO and find_protocol(protocol).gives_results:
        refuse_options(OF_OUTPUT, f"{protocol} has neither turns nor output")
    else:
        refuse_options(("texts",), "it is for --protocol openai-embeddings and rerank")


def _refuse_what_cannot_talk(draft: Draft, scenario: Scenario) -> None:
    """Raise UserError where a scenario that chats has a target that does not, or the other way round.

    Only conversations go to several servers.
    """
    scenario_chats, target = scenario.chats, draft.plan.target
    if isinstance(draft.spec, UrlTarget):
        if draft.spec.others and not scenario_chats:
            raise UserError(f"--target {target}: conversations alone go to several servers; give one URL")
        return
    if scenario_chats == chats(draft.spec.protocol):
        return
    if scenario_chats:
        raise UserError(f"--target {target}: it does not chat; leave --target out, or choose another --scenario")
    raise UserError(f"--target {target}: it chats, and {draft.plan.scenario} does not; add --scenario agent")
