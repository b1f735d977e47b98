"""The requests of a client and what it reads in the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from nlapi.errors import ArgumentError, NlapiError, SendError
from nlapi.gateway.call_headers import CONTEXT_HEADER, JSON_HEADERS, ROUTING_KEY_HEADER, context_json
from nlapi.gateway.client.decision_cache import ResolvedDecision
from nlapi.gateway.open_inference import OpenInferenceCodec, TensorCall
from nlapi.routing.model import Context, InputForm, Shard, Version, VersionRef

GATEWAY_PROTOCOL = "gateway"
OPEN_INFERENCE_PROTOCOL = "oip-v2"
_DECIDING = ("rule", "experiment", "cell", "canary", "override")
_PROBLEM_TYPE = "application/problem+json"
# Refusals before anything was run, after which a new key may be accepted. A data plane has no codes beside these.
_KEY_STATUSES = (401, 403, 404)


class ServingRefusedError(NlapiError):
    """The gateway or the data plane refused a request with a 4xx: nothing was run."""

    exit_code = 4

    def __init__(self, status: int, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class ServingFailedError(NlapiError):
    """The gateway, the data plane or the version failed with a 5xx."""

    exit_code = 5

    def __init__(self, status: int, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeAnswer:
    """The output of a version, and the decision that chose it."""

    output: Any
    decision: ResolvedDecision
    request_id: str = ""


# A tuple: a frozen dataclass takes 1.5 us to make, and this 0.4.
class RawAnswer(NamedTuple):
    """The status, the media type and the body of an answer."""

    status: int
    media_type: str
    body: bytes
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The content of an answer of resolve."""

    decision: ResolvedDecision
    fields: tuple[str, ...]
    declared: frozenset[str]
    expires_in_s: float


def parse_resolution(body: bytes, base_url: str, data_plane_url: str) -> Resolution:
    """Return the content of an answer of resolve; `data_plane_url` replaces the address in it. SendError."""
    try:
        document = orjson.loads(body)
        decided, destination, configuration = document["decision"], document["destination"], document["objective"]
        decision = ResolvedDecision(
            objective=decided["objective"],
            version=VersionRef(model=decided["model"], version=decided["version"]),
            revision=decided["revision"],
            reason=decided["reason"],
            names={name: decided[name] for name in _DECIDING if name in decided},
            url=_address(destination["url"], base_url, data_plane_url),
            protocol=destination["protocol"],
            codec=_tensor_codec(destination) if destination["protocol"] == OPEN_INFERENCE_PROTOCOL else None,
            routing_key=document.get("routing_key", ""),
            since=document["since"],
            objective_configuration=configuration,
        )
        return Resolution(
            decision=decision,
            fields=tuple(document["fields"]),
            declared=frozenset(field["name"] for field in configuration.get("context", ())),
            expires_in_s=float(document.get("expires_in", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SendError(
            "the answer of resolve is not that of a gateway", hint=f"check the address: {base_url}"
        ) from None


def _tensor_codec(destination: Mapping[str, Any]) -> OpenInferenceCodec:
    version = Version(
        model="",
        name="",
        input=destination.get("input", {}),
        output=destination.get("output", {}),
        form=InputForm(destination.get("form", InputForm.TENSORS)),
    )
    return OpenInferenceCodec(version, Shard(name=""))


def _address(url: str, base_url: str, data_plane_url: str) -> str:
    if data_plane_url:
        # The path alone is the gateway's to say: the configured address is a listener nearer to this client.
        return data_plane_url + (url if url.startswith("/") else "/" + url.split("://", 1)[1].partition("/")[2])
    return base_url + url if url.startswith("/") else url


def payload_headers(decision: ResolvedDecision, context: Context, token: str, request_id: str) -> dict[str, str]:
    """Return the headers of a payload."""
    headers = dict(JSON_HEADERS)
    if decision.routing_key:
        headers[ROUTING_KEY_HEADER] = decision.routing_key
    if decision.protocol == GATEWAY_PROTOCOL:
        headers["Authorization"] = f"Bearer {token}"
    elif context:
        # A model server must not see the token.
        headers[CONTEXT_HEADER] = context_json(context)
    if request_id:
        headers["X-Request-Id"] = request_id
    return headers


def payload_body(
    decision: ResolvedDecision, content: Any, context: Context, request_id: str
) -> tuple[bytes, TensorCall | None]:
    """Return the body of a payload in the form that its destination takes, and what reading the answer needs of it.

    ArgumentError when the input has no such form.
    """
    if decision.protocol == GATEWAY_PROTOCOL:
        return orjson.dumps({"input": content, "context": context}), None
    if decision.codec is None:
        return orjson.dumps(content), None
    try:
        return decision.codec.encode(content, request_id)
    except ValueError as error:
        raise ArgumentError(
            f"the input has no form as tensors: {error}", hint="see the version's input schema"
        ) from None


def parse_output(
    decision: ResolvedDecision, answer: RawAnswer, request_id: str, call: TensorCall | None
) -> ServeAnswer:
    """Return the output of a version. ServingFailedError when the answer is not of its protocol."""
    try:
        if decision.protocol == GATEWAY_PROTOCOL:
            document = orjson.loads(answer.body)
            return ServeAnswer(
                output=document["output"],
                decision=_served_decision(decision, document["decision"]),
                request_id=document["request_id"],
            )
        if decision.codec is not None and call is not None:
            output = decision.codec.decode(answer.body, call)
        else:
            output = orjson.loads(answer.body)
    except (ValueError, KeyError, TypeError):
        raise ServingFailedError(
            answer.status, f"{decision.version} gave an answer that is not of its protocol", code="version_failed"
        ) from None
    return ServeAnswer(output=output, decision=decision, request_id=request_id)


def _served_decision(decision: ResolvedDecision, decided: Mapping[str, Any]) -> ResolvedDecision:
    """Return the decision that the gateway served by, which may be newer than the client's."""
    version = VersionRef(model=decided["model"], version=decided["version"])
    if version == decision.version and decided["revision"] == decision.revision:
        return decision
    return replace(
        decision,
        version=version,
        revision=decided["revision"],
        reason=decided["reason"],
        names={name: decided[name] for name in _DECIDING if name in decided},
        stale=False,
    )


def is_key_refusal(answer: RawAnswer) -> bool:
    """Return whether a payload was refused before anything was run, as its key or its cell is not good any more."""
    # A model server's own 404 is no problem document.
    return answer.status in _KEY_STATUSES and answer.media_type == _PROBLEM_TYPE


def answer_error(answer: RawAnswer) -> NlapiError:
    """Return the error for an answer that is no success."""
    problem: Mapping[str, Any] = {}
    if answer.media_type.endswith("json"):
        try:
            document = orjson.loads(answer.body)
        except ValueError:
            document = None
        problem = document if isinstance(document, dict) else {}
    code = str(problem.get("type", "")).rpartition(":")[2]
    message = str(problem.get("detail") or f"the answer is a {answer.status}")
    error = ServingRefusedError if 400 <= answer.status < 500 else ServingFailedError
    return error(answer.status, message, code=code, hint=str(problem.get("hint", "")))
