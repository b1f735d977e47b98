"""The operations that existing clients of OpenAI and Anthropic call: an objective is what they name as a model."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from nlapi.gateway.admin.api_call import ApiCall, ApiResponse
from nlapi.gateway.admin.decisions import answer_headers
from nlapi.gateway.control.codec import Json, slug
from nlapi.gateway.http.problems import GatewayProblem, invalid_request, unknown_object
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.llm.usage import COUNT_TOKENS, member
from nlapi.routing.costs import text_size
from nlapi.routing.model import Configuration, Objective, ShardProtocol

SERVE_OPERATIONS = frozenset(("serveChat", "serveResponses", "serveEmbeddings", "serveMessages", "countMessageTokens"))
"""The operations of this module that run a version."""

# The headers in which the SDKs send a key when they do not send it as a bearer token.
_KEY_HEADERS = ("x-api-key", "api-key")
_TEXT_MEMBERS = ("system", "instructions", "input", "messages", "content", "text")
_FORWARDED_HEADERS = ("anthropic-version", "anthropic-beta")


def authorization(headers: Mapping[str, str]) -> str | None:
    """Return the Authorization header of a request, made of the header of an SDK's key if none exists."""
    if "authorization" in headers:
        return headers["authorization"]
    key = next((headers[name] for name in _KEY_HEADERS if name in headers), None)
    return None if key is None else f"Bearer {key}"


async def serve_chat(call: ApiCall) -> ApiResponse:
    """Serve the objective that the body names as its model, by the protocol of OpenAI."""
    return await _serve_openai(call, "")


async def serve_responses(call: ApiCall) -> ApiResponse:
    """Serve it by OpenAI's Responses."""
    return await _serve_openai(call, "responses")


async def serve_embeddings(call: ApiCall) -> ApiResponse:
    """Serve the embeddings of texts."""
    return await _serve_openai(call, "embeddings")


async def _serve_openai(call: ApiCall, name: str) -> ApiResponse:
    user = call.body.get("safety_identifier") or call.body.get("user")
    return await _serve(call, ShardProtocol.OPENAI, user, name)


async def serve_messages(call: ApiCall) -> ApiResponse:
    """Serve the objective that the body names as its model, by the protocol of Anthropic."""
    return await _serve_anthropic(call, "")


async def count_message_tokens(call: ApiCall) -> ApiResponse:
    """Count the input tokens of a message, for the objective that the body names as its model."""
    return await _serve_anthropic(call, COUNT_TOKENS)


async def _serve_anthropic(call: ApiCall, name: str) -> ApiResponse:
    user = member(call.body, "metadata").get("user_id")
    return await _serve(call, ShardProtocol.ANTHROPIC, user, name)


async def _serve(call: ApiCall, protocol: ShardProtocol, user: object, name: str) -> ApiResponse:
    configuration = call.gateway.engine.configuration
    objective = _find_objective(configuration, call.body["model"])
    request = InferenceRequest(
        input=call.body,
        context=_read_context(call, objective, user),
        client=call.caller.client,
        key=call.caller.name,
        request_id=call.gateway.engine.new_request_id(),
        traceparent=call.traceparent,
        protocol=protocol,
        call=name,
        headers={name: call.headers[name] for name in _FORWARDED_HEADERS if name in call.headers},
        connection=call.connection,
    )
    if call.connection is not None:
        call.connection.wants_stream = call.body.get("stream") is True
        call.connection.request_id = request.request_id
    response = await call.gateway.engine.serve(objective.name, request)
    headers = answer_headers(response)
    if response.streamed:
        return ApiResponse(body=None, headers=headers, streamed=True)
    return ApiResponse(body=response.output, headers=headers)


def _find_objective(configuration: Configuration, name: str) -> Objective:
    objective = configuration.objectives.get(name) or configuration.objectives.get(slug(name))
    if objective is None:
        raise unknown_object("objective", name, configuration.objectives)
    return objective


def _read_context(call: ApiCall, objective: Objective, user: object) -> Json:
    """Return the context of the Nlapi-Context header, with the body's user and size where they are declared."""
    text = call.headers.get("nlapi-context")
    context: Json = {}
    if text is not None:
        try:
            context = orjson.loads(text)
        except orjson.JSONDecodeError:
            context = {}
        if not isinstance(context, dict) or not context:
            raise invalid_request("it is not a JSON object", "header.Nlapi-Context", 'such as {"country": "BR"}')
    declares_user = any(field.name == "user" for field in objective.context)
    if declares_user and isinstance(user, str) and user:
        context = {"user": user, **context}
    sizes = {field.name: text_size(_request_text(call.body)) for field in objective.context if field.source}
    return sizes | context


def _request_text(value: object) -> str:
    """Return all text of a request: of its system prompt and its messages, whole or in parts."""
    if isinstance(value, list):
        return "".join(map(_request_text, value))
    if isinstance(value, dict):
        return "".join(_request_text(value[name]) for name in _TEXT_MEMBERS if name in value)
    return value if isinstance(value, str) else ""


def _is_served_as_model(configuration: Configuration, objective: Objective) -> bool:
    version = configuration.versions.get(objective.default) if objective.default else None
    shard = configuration.shards.get(version.shard) if version else None
    return shard is not None and shard.protocol is ShardProtocol.OPENAI


def _model_json(objective: Objective) -> Json:
    return {"id": objective.name, "object": "model", "created": 0, "owned_by": objective.owner or "nlapi"}


async def list_chat_models(call: ApiCall) -> ApiResponse:
    """Return the objectives whose default version speaks the protocol of OpenAI, as models."""
    configuration = call.gateway.engine.configuration
    rows = [
        _model_json(objective)
        for _, objective in sorted(configuration.objectives.items())
        if _is_served_as_model(configuration, objective)
    ]
    return ApiResponse(body={"object": "list", "data": rows})


async def get_chat_model(call: ApiCall) -> ApiResponse:
    """Return one objective as a model. GatewayProblem 404 for any other."""
    configuration = call.gateway.engine.configuration
    objective = _find_objective(configuration, call.path["model"])
    if not _is_served_as_model(configuration, objective):
        message = f"the default version of {objective.name} does not speak the protocol of OpenAI"
        raise GatewayProblem(404, message, code="unknown_objective")
    return ApiResponse(body=_model_json(objective))
