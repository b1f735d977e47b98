"""What a skill shows has run: examples and recipes are tried in a sandbox of the API before they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

import nlapi
from nlapi.plugin.build import Options, build
from nlapi.plugin.id_guide import IdGuide
from nlapi.plugin.trial import Trial


@pytest.fixture(scope="module")
def trial() -> Trial:
    spec = nlapi.load("ads")
    return Trial(spec, IdGuide(spec.visible_operations))


@pytest.mark.parametrize(
    ("id", "arguments", "is_taken"),
    [
        ("listCampaigns", {}, True),
        ("listCampaigns", {"limit": 0}, False),
        ("getCampaign", {"campaign_id": "CAMPAIGN_ID"}, True),
        ("createCampaign", {"name": "Test"}, False),
        ("deleteCampaign", {"campaign_id": "CAMPAIGN_ID"}, True),
        # What an example has removed is there for the next one.
        ("updateCampaign", {"campaign_id": "CAMPAIGN_ID", "name": "Test 2"}, True),
    ],
)
def test_a_call_is_taken_as_the_api_would_take_it(
    trial: Trial, id: str, arguments: Mapping[str, object], is_taken: bool
) -> None:
    operation = nlapi.load("ads").operation(id)
    assert trial.succeeds([(operation, arguments)]) is is_taken


def test_the_recipes_of_a_plugin_have_run(trial: Trial) -> None:
    spec = nlapi.load("ads")
    files = build(spec, spec.visible_operations, Options(name="ads-copy", source="ads")).files
    skills = "\n".join(text.decode() for path, text in files.items() if path.endswith("SKILL.md"))
    recipes = {path.partition("/")[2].partition(".")[0] for path in files if path.startswith("workflows/")}
    shown = set(re.findall(r"(?m)^nlapi-ads-copy run (\S+)", skills))
    assert {"create-validate-and-publish-draft", "find-and-change-campaign"} <= shown <= recipes
