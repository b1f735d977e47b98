"""Writes a document as YAML for people, or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

_WIDTH = 110
# Plain scalars that another reader of YAML takes for something else: PyYAML writes by 1.1, most read by 1.2.
_NUMBER_LIKE = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?|0o[0-7]+|0x[\da-f]+", re.IGNORECASE)

# Line ends of YAML 1.1 that 1.2 took back; in a block or a plain text a reader turns them into others.
_OTHER_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")


class DocumentFormat(StrEnum):
    """The format of a document file."""

    YAML = "yaml"
    JSON = "json"


def render(tree: Mapping[str, Any], format: DocumentFormat = DocumentFormat.YAML) -> str:
    """Return the JSON tree of a document as the text of a file."""
    if format is DocumentFormat.JSON:
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return yaml_text(tree)


def yaml_text(tree: object) -> str:
    """Return JSON data as YAML."""
    import yaml

    text: str = yaml.dump(tree, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


@cache
def _dumper() -> Any:
    # Imported here: PyYAML takes long, and a JSON document does without. The dumper in C has no block texts of choice.
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: object) -> bool:
            return True

    def represent_text(dumper: Any, text: str) -> Any:
        style = None
        if _OTHER_LINE_ENDS.search(text):
            style = '"'
        elif "\n" in text:
            style = "|"
        elif _NUMBER_LIKE.fullmatch(text):
            style = "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent_text)
    return Dumper
