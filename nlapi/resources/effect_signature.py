"""Finds in the inputs and answers of an operation the evidence for and against a read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.model import Media, Response, as_map
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.resources.paging import PageRole, page_parameters
from nlapi.resources.schemas import SchemaReader

# Inputs of lists alone, whatever their type. `size` and `count` are left out: they may be fields of an item.
_LIST_INPUTS = frozenset("limit sort sortby orderby sortorder pagination sorting paging maxrecords maxresults".split())

_FILTER_WORDS = lexicon.words("resources/words", "filter_words")
_ID_WORDS = frozenset("id ids key keys arn token".split())
# Inputs of work that is carried out, stored or delivered, or that must not be repeated by mistake.
_WORK_INPUTS = lexicon.words("resources/words", "work_inputs")

_SECRETS = frozenset("password newpassword otp".split())
# Inputs that may hold a write statement.
_STATEMENTS = frozenset("sql statement statements script command commands mutation cypher sqltext".split())

_TOKENS = lexicon.words("resources/words", "tokens")
_JOBS = frozenset("job jobid taskid operationid executionid batchid commandid asyncid exportid runid".split())
# Fields that any answer may have, so that they say nothing of its content.
_ENVELOPE = lexicon.words("resources/words", "envelope")

_SECONDARY_ARRAYS = frozenset(("errors", "warnings", "messages", "links"))
_CREATION = lexicon.words("resources/words", "creation")
_HANDLES = frozenset("id ids token uuid guid arn urn key handle".split())
_WRITE_SCOPE_WORDS = frozenset("write create delete update modify edit".split())
_FILES = lazy_pattern(r"pdf|image|zip|octet|csv|audio|geo")
# Phrases in the description of an answer that report a change.
_CHANGE_REPORT = lazy_pattern(
    r"""\b(?:successfully|was|were|been|is|are)\s+(?:\w+\s+)?(?:creat|add|updat|delet|remov|sav|queu|start|accept|register|
    submitt|cancel+|schedul|upload)ed\b|\b(?:sent|created|queued|accepted)\s+successfully|
    \bnewly\s+created\b|^(?:the\s+)?created\s|^\w+\s[\w\s]{0,30}(?:sent|queued|created|accepted)\.?$""",
    re.IGNORECASE | re.VERBOSE,
)

# Headers with the address of a created item (RFC 9110 §10.2.2) or of a running job (Azure).
_ADDRESS_HEADERS = ("location", "content-location", "operation-location")


# The share of an API's POSTs with a status, from which that status is a convention of the API and no evidence. Found on
# the `fresh` set of benchmarks.effects, where one API describes a 202 beside every answer (recall .04 before, .680
# after).
_CONVENTION_SHARE = 0.9


def _post_answers(spec: Spec) -> list[Mapping[str, object]]:
    """Return the success answers of each POST of an API, by status, as they are described."""
    posts = (as_map(as_map(item).get("post")) for item in as_map(spec.document.get("paths")).values())
    responses = [as_map(post["responses"]) for post in posts if isinstance(post.get("responses"), Mapping)]
    return [{str(key): response for key, response in answers.items() if str(key)[:1] == "2"} for answers in responses]


def _usual_statuses(spec: Spec) -> frozenset[str]:
    """Return the statuses among 201 and 202 that an API describes at nearly every POST.

    Some frameworks answer 201 and nothing else; some APIs can run anything later, with a 202 beside each 200.
    """
    statuses = [codes.keys() for codes in _post_answers(spec) if codes]
    created = sum(codes == {"201"} for codes in statuses)
    accepted = sum("202" in codes and len(codes) > 1 for codes in statuses)
    counts = (("201", created), ("202", accepted))
    return frozenset(
        status for status, count in counts if len(statuses) > 3 and count >= _CONVENTION_SHARE * len(statuses)
    )


def _describes_content(spec: Spec) -> bool:
    """Return whether the success answers of most POSTs of an API are described with their content."""
    answer_groups = [map(as_map, answers.values()) for answers in _post_answers(spec)]
    bodies = [any({"content", "schema", "$ref"} & answer.keys() for answer in answers) for answers in answer_groups]
    return 2 * sum(bodies) > len(bodies)


@dataclass(frozen=True, kw_only=True, eq=False)
class OperationSignature:
    """The inputs and answers of one operation, parsed when they are read."""

    operation: Operation

    @property
    def reader(self) -> SchemaReader:
        return answer_schemas(self.operation.spec).reader

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the query parameters and of the properties of the body."""
        names = [parameter.name for parameter in self.operation.parameters if parameter.location == "query"]
        body = self.operation.body
        return (*names, *(self.reader.properties(body.schema) if body is not None else ()))

    @cached_property
    def input_keys(self) -> frozenset[str]:
        return frozenset(map(name_key, self.inputs))

    @cached_property
    def successes(self) -> tuple[Response, ...]:
        """The success answers, without a 202 that every POST of the API has."""
        responses = [response for response in self.operation.responses if response.status[:1] == "2"]
        without_202 = [response for response in responses if response.status != "202"]
        is_conventional = len(without_202) < len(responses) and "202" in self.operation.spec.derive(_usual_statuses)
        return tuple(without_202 if without_202 and is_conventional else responses)

    @cached_property
    def answer_media(self) -> tuple[Media, ...]:
        """The first media type of each success answer, else of the default answer."""
        responses = self.successes or [
            default for default in self.operation.responses if default.status.lower() == "default"
        ]
        return tuple(response.media[0] for response in responses if response.media)

    @cached_property
    def answer_properties(self) -> tuple[Mapping[str, object], ...]:
        return tuple(self.reader.properties(media.schema) for media in self.answer_media if self.successes)

    @cached_property
    def answer_keys(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(map(name_key, names)) for names in self.answer_properties)

    @property
    def has_no_content(self) -> bool:
        """Whether every success is described as one without content (RFC 9110 §15.3.5)."""
        return bool(self.successes) and all(response.status in ("204", "205") for response in self.successes)

    @property
    def describes_no_content(self) -> bool:
        """Whether its answer is described without content, where those of the API's other POSTs have some."""
        has_no_media = bool(self.successes) and not any(response.media for response in self.successes)
        return has_no_media and self.operation.spec.derive(_describes_content)

    @property
    def returns_new_item(self) -> bool:
        """Whether the answer is an item with a time of creation, or with an id that is not among the inputs."""
        if any(_CREATION & keys for keys in self.answer_keys):
            return True
        return any("id" in keys and "id" not in self.input_keys for keys in self.answer_keys[:1])

    @property
    def returns_only_ids(self) -> bool:
        """Whether the answer is an object of nothing but ids, as after a creation."""
        for names in self.answer_properties[:1]:
            content_names = [name for name in names if name_key(name) not in _ENVELOPE - _HANDLES - {"uuid", "guid"}]
            return bool(content_names) and all(_HANDLES & set(name_words(name)[-1:]) for name in content_names)
        return False

    @cached_property
    def query_reason(self) -> str:
        """A sentence on the query in the inputs: pages, a filter, ids; "" where the inputs have none."""
        if paging := self._paging_input():
            return f"it takes paging or an order (`{paging}`)"
        filters = [name for name in self.inputs if _FILTER_WORDS & {*name_words(name), name_key(name)}]
        # Half of the inputs: a creation may have one field called `from` or `end` among many others.
        if filters and 2 * len(filters) >= len(self.inputs):
            return f"it takes a filter or a query (`{filters[0]}`)"
        ids = [name for name in self.inputs if _ID_WORDS & set(name_words(name)[-1:])]
        if ids and 2 * len(ids) >= len(self.inputs):
            return f"it takes ids (`{ids[0]}`)"
        body = self.operation.body
        if body is None or self.inputs or self.reader.types(body.schema) != ("array",):
            return ""
        items = self.reader.types(self.reader.flat(body.schema).get("items", {}))
        return "it takes a list of ids" if {"string", "integer"} & set(items) else ""

    @property
    def has_no_body(self) -> bool:
        """Whether a call has no body, so that there is hardly anything to store."""
        body = self.operation.body
        return body is None or (not body.required and not body.schema)

    @property
    def has_paging(self) -> bool:
        """Whether it has a parameter of lists alone: a cursor, a page number, or several inputs of paging."""
        return bool(self._paging_input())

    def _paging_input(self) -> str:
        list_input = next((name for name in self.inputs if name_key(name) in _LIST_INPUTS), "")
        parameters = page_parameters(self.operation)
        page_input = next(
            (parameter.name for parameter in parameters if parameter.role in (PageRole.CURSOR, PageRole.NUMBER)), ""
        )
        return list_input or page_input or (parameters[0].name if len(parameters) > 1 else "")

    @cached_property
    def content(self) -> tuple[str, str]:
        """The kind of the answer's content, "list", "value" or "" where none is described, and a sentence on it."""
        for media in self.answer_media:
            if _FILES.search(media.content_type):
                return "value", f"the answer is a file ({media.content_type})"
            types = set(self.reader.types(media.schema))
            if "array" in types:
                return "list", "the answer is a list"
            if types & {"integer", "number"} or ("string" in types and not media.content_type.endswith("plain")):
                return "value", "the answer is a value"
            names = self.reader.properties(media.schema)
            arrays = [name for name, schema in names.items() if "array" in self.reader.types(schema)]
            lists = [name for name in arrays if name_key(name) not in _SECONDARY_ARRAYS]
            if lists:
                return "list", f"the answer holds a list (`{lists[0]}`)"
            if content_name := next(self._content_names(names), ""):
                return "value", f"the answer holds data (`{content_name}`)"
        return "", ""

    def _content_names(self, names: Mapping[str, object]) -> Iterator[str]:
        """Yield the names of fields with content, else of those inside the objects of an envelope."""
        content_names = [name for name in names if name_key(name) not in _ENVELOPE]
        results = [name for name in names if name_key(name) in ("result", "results")]
        content_names += [
            name for name in results if {"string", "number", "integer"} & set(self.reader.types(names[name]))
        ]
        yield from content_names
        for schema in () if content_names else names.values():
            yield from (name for name in self.reader.properties(schema) if name_key(name) not in _ENVELOPE)

    def counter_evidence(self, *, is_about_token: bool, surely_retrieves: bool) -> str:
        """Return the first evidence against a read, as a sentence; "" where there is none.

        `is_about_token`: the operation is about a token, so that its answer may have one. `surely_retrieves`: several
        sources say that it reads, which outweighs what every operation of some APIs has.
        """
        # Some APIs describe an idempotency key among the headers of every POST, reads included.
        headers = [entry.name for entry in self.operation.parameters if entry.location == "header"]
        names = self.inputs if surely_retrieves else (*self.inputs, *headers)
        for name in names:
            if name_key(name) in _WORK_INPUTS | _SECRETS | _STATEMENTS:
                return f"it takes `{name}`"
        scopes = [scope for entry in self.operation.security for scope_list in entry.values() for scope in scope_list]
        if scopes and all(_WRITE_SCOPE_WORDS & set(name_words(scope)) for scope in scopes):
            return f"it needs the scope `{scopes[0]}`"
        status = self._status_evidence(surely_retrieves=surely_retrieves)
        return status or self._answer_evidence(is_about_token=is_about_token)

    def _status_evidence(self, *, surely_retrieves: bool) -> str:
        plain_successes = [success for success in self.successes if success.status not in ("201", "202")]
        has_certain_answer = surely_retrieves and any(success.media for success in plain_successes)
        for response in self.successes:
            # Some generators list an empty 201 beside the 200 of every POST: 18 of 1,805 descriptions have one.
            is_empty = response.status == "201" and plain_successes and not response.media
            is_conventional = response.status == "201" and "201" in self.operation.spec.derive(_usual_statuses)
            if response.status in ("201", "202") and not (is_empty or is_conventional or has_certain_answer):
                return f"it may answer {response.status}"
            if match := _CHANGE_REPORT.search(response.description[:120]):
                return f"its answer says `{match.group().strip().lower()}`"
            if any(name.lower() in _ADDRESS_HEADERS for name in response.headers):
                return "its answer has a Location"
        return ""

    def _answer_evidence(self, *, is_about_token: bool) -> str:
        for keys in self.answer_keys:
            if keys & _TOKENS - self.input_keys and not is_about_token and self.content[0] != "list":
                return "its answer is a token or a session"
            # google.longrunning.Operation has these four fields.
            if {"done", "metadata", "name", "response"} <= keys:
                return "its answer is a long-running operation"
            # A list entry or a report may also have the id of a job among many other fields.
            if keys & _JOBS - self.input_keys and len(keys) <= 4:
                return "its answer is a job"
        return ""
