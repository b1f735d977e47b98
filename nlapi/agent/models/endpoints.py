"""Finds the server, the protocol and the key of a language model by the name that the user gives it."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nlapi.agent.models.spending import CLAUDE_VERSIONS, MODELS, NO_CAPS, Caps, ModelPrices
from nlapi.client.auth import secret_parts
from nlapi.client.masking import redact
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UsageError, require_extra
from nlapi.local_files import fault_of, read_toml
from nlapi.openapi.spec import TOKEN
from nlapi.system import IS_WINDOWS

if TYPE_CHECKING:
    import httpx2


_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")
_IDENTITIES = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")
_HINT = "log in again, or set ANTHROPIC_API_KEY"


def has_profile(environment: Mapping[str, str]) -> bool:
    """Return whether Anthropic's SDK finds a credential that is not a key, without importing it, which takes 0.7 s."""
    if environment.get("ANTHROPIC_PROFILE"):
        return True
    if all(map(environment.get, _FEDERATION)) and any(map(environment.get, _IDENTITIES)):
        return True
    folder = _config_folder(environment)
    try:
        active = folder / "active_config"
        name = active.read_text(encoding="utf-8").strip() if active.is_file() else ""
        return (folder / "configs" / f"{Path(name or 'default').name}.json").is_file()
    except (OSError, ValueError):
        return False


def _config_folder(environment: Mapping[str, str]) -> Path:
    if folder := environment.get("ANTHROPIC_CONFIG_DIR"):
        return Path(folder)
    if IS_WINDOWS:
        return Path(environment.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Anthropic"
    return Path(environment.get("HOME") or Path.home()) / ".config" / "anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCredential:
    """The parts of a request that a profile sets: its authentication, further headers, and its own address or ""."""

    auth: httpx2.Auth
    headers: Mapping[str, str]
    base_url: str = ""


def profile_credential(base_url: str) -> ProfileCredential:
    """Return the credential that Anthropic's SDK finds for a server. PlannerError where the profile is damaged."""
    require_extra("claude", "the login of a profile of Anthropic's")
    from anthropic import AnthropicError
    from anthropic.lib.credentials import AccessTokenAuth, TokenCache, default_credentials
    from httpx2 import Request, Response

    class ProfileAuth(AccessTokenAuth):
        """The authentication of the SDK, whose errors are ours; a token that is refused is renewed once."""

        def __init__(self, cache: TokenCache) -> None:
            super().__init__(cache)
            self._cache = cache

        async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
            self._apply(request, await self._token())
            response = yield request
            if response.status_code == 401:
                self._cache.invalidate()
                self._apply(request, await self._token())
                yield request

        async def _token(self) -> str:
            try:
                return await self._cache.async_get_token()
            except AnthropicError as error:
                raise _profile_error(error) from None

    try:
        result = default_credentials(base_url=base_url)
    except AnthropicError as error:
        raise _profile_error(error) from None
    if result is None:
        raise PlannerError("the profile of Anthropic's tools has no credential", hint=_HINT)
    auth = ProfileAuth(TokenCache(result.provider))
    return ProfileCredential(auth=auth, headers=dict(result.extra_headers or {}), base_url=result.base_url or "")


def _profile_error(error: Exception) -> PlannerError:
    reason = single_line(str(error))[:300]
    return PlannerError(f"the profile of Anthropic's tools gives no credential: {reason}", hint=_HINT)


MESSAGES_URL = "https://api.anthropic.com"
CHAT_URL = "https://api.openai.com/v1"
# Ollama's port; its Messages API takes any token.
LOCAL_URL = "http://127.0.0.1:11434"
LOCAL_TOKEN = "local"  # noqa: S105 - a local server takes any word

KEY_HINT = "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys, or use --planner offline"
FILE_HINT = 'such as [small], model = "qwen3:8b", base_url = "http://127.0.0.1:11434", protocol = "messages"'
LIMITS = "limits"
_CAPS = {"max_usd": float, "max_steps": int, "max_seconds": float}
_FIELDS = {"model": str, "protocol": str, "base_url": str, "key": str, "input": float, "output": float}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A cloud that serves Claude, chosen by the variable that Claude Code reads.

    `client` is the class of Anthropic's SDK, which finds credentials and region itself; `prefix` stands before the
    names of models there. `hint` says what to set.
    """

    variable: str
    title: str
    client: str
    prefix: str
    hint: str


PLATFORMS = (
    Platform(
        variable="CLAUDE_CODE_USE_BEDROCK",
        title="Amazon Bedrock",
        client="AsyncAnthropicBedrock",
        prefix="anthropic.",
        hint='it needs `pip install "anthropic[bedrock]"`, AWS_REGION, and AWS credentials or AWS_BEARER_TOKEN_BEDROCK',
    ),
    Platform(
        variable="CLAUDE_CODE_USE_VERTEX",
        title="Google Vertex AI",
        client="AsyncAnthropicVertex",
        prefix="",
        hint='it needs `pip install "anthropic[vertex]"`, CLOUD_ML_REGION, ANTHROPIC_VERTEX_PROJECT_ID and a login',
    ),
    Platform(
        variable="CLAUDE_CODE_USE_FOUNDRY",
        title="Microsoft Foundry",
        client="AsyncAnthropicFoundry",
        prefix="",
        hint="it needs ANTHROPIC_FOUNDRY_RESOURCE and ANTHROPIC_FOUNDRY_API_KEY",
    ),
)


PLATFORM_SECRETS = (
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "ANTHROPIC_FOUNDRY_API_KEY",
)
"""Variables with credentials that the clients of platforms read; no error shows their values."""


def model_variable(name: str) -> str:
    """Return the variable with the name that a model has at a platform: ANTHROPIC_DEFAULT_SONNET_MODEL."""
    family = name.removeprefix("claude-").partition("-")[0]
    return f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL"


_ADDRESS_SETTINGS = {
    "ANTHROPIC_API_KEY": "ANTHROPIC_BASE_URL",
    "NLAPI_LOCAL_TOKEN": "NLAPI_LOCAL_URL",
    "OPENAI_API_KEY": "OPENAI_BASE_URL",
}
"""Variable of the key -> the setting that has the address"""


class ModelProtocol(StrEnum):
    """The API that a server of models speaks."""

    MESSAGES = "messages"
    """Anthropic's Messages API; Ollama, llama.cpp, LM Studio and vLLM have it too"""
    CHAT = "chat"
    """OpenAI's Chat Completions"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """A model at a server. `token` goes as a bearer token, `key` as the server's own key; one of them is set, or
    `has_profile` says that Anthropic's SDK finds a credential.

    `name` is the user's name for it, `model` the server's. `variable` is where the user sets the key or token.
    `prices` are None for a model whose cost is not known.
    """

    name: str
    model: str
    protocol: ModelProtocol
    base_url: str = field(repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    variable: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """further headers of each request, which may hold secrets too"""
    prices: ModelPrices | None = None
    has_profile: bool = False
    platform: Platform | None = None
    """the cloud that serves it, with credentials of its own"""
    platform_secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def secret(self) -> str:
        return self.key or self.token

    @property
    def has_credential(self) -> bool:
        return bool(self.secret) or self.has_profile or self.platform is not None

    def mask(self, text: str) -> str:
        """Return a text of the server's without the key. A text is cut after this, or a part of the key would stay."""
        parts = (part for value in self.headers.values() for part in secret_parts(value))
        return redact(text, (self.secret, *self.platform_secrets, *parts))

    @property
    def protocol_name(self) -> str:
        return "Chat Completions" if self.protocol is ModelProtocol.CHAT else "the Messages API"

    @property
    def server_name(self) -> str:
        return "the Anthropic API" if self.variable == "ANTHROPIC_API_KEY" else self.address

    @property
    def address(self) -> str:
        """The base URL as it stands in errors: on one line, without a password in it."""
        if self.platform is not None:
            return self.platform.title
        return re.sub(r"//[^/?#]*@", "//", single_line(self.base_url))

    @property
    def address_setting(self) -> str:
        """The setting that has the address of the server."""
        return _ADDRESS_SETTINGS.get(self.variable, "base_url in models.toml")

    @property
    def key_hint(self) -> str:
        if self.platform is not None:
            return self.platform.hint
        if self.variable == "ANTHROPIC_API_KEY":
            return KEY_HINT
        return f"set {self.variable}" if self.variable else "models.toml names its key"

    @property
    def model_hint(self) -> str:
        if self.platform is not None:
            return f"{model_variable(self.name)} takes the name that it has there"
        if self.variable == "ANTHROPIC_API_KEY":
            return f"--model takes {', '.join(MODELS)}, local:NAME, openai:NAME"
        question = f"is the model there, and does the server speak {self.protocol_name}?"
        return f"{question} {self.address_setting} has its address"

    def check_key(self) -> None:
        """Raise PlannerError without a key that a header can hold, or for an address that is not a URL."""
        if self.platform is not None:
            require_extra("claude", f"Claude at {self.platform.title}")
            return
        if not self._has_url():
            raise PlannerError(f"{self.address} is not a URL", hint=f"check {self.address_setting}")
        secret = self.secret
        if self.has_profile or (secret and secret.isascii() and secret.isprintable() and not secret.isspace()):
            return
        fault = "holds characters that no key has" if secret.strip() else "is missing"
        raise PlannerError(f"the key for {self.model} {fault}", hint=self.key_hint)

    def _has_url(self) -> bool:
        """Return whether a request can be sent to the base URL: its scheme is of HTTP, and it has a host."""
        try:
            parts = urlsplit(self.base_url)
            # Reading the port checks it.
            return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            return False


def find_endpoint(
    name: str, environment: Mapping[str, str], endpoints: Mapping[str, ModelEndpoint] | None = None
) -> ModelEndpoint:
    """Return the endpoint of a model: one of `endpoints`, `local:NAME`, `openai:NAME`, or a model of Anthropic's.

    A model of Anthropic's may have its short name, and `local` alone is the model that NLAPI_LOCAL_MODEL names.
    UsageError for `local:` or `openai:` without a name.
    """
    if endpoints and name in endpoints:
        return endpoints[name]
    if name == "local":
        name = f"local:{environment.get('NLAPI_LOCAL_MODEL', '').strip()}"
        if name == "local:":
            raise UsageError("local names no model", hint=f"set NLAPI_LOCAL_MODEL, or say local:{_EXAMPLES['local']}")
    name = CLAUDE_VERSIONS.get(name, name)
    kind, colon, model = name.partition(":")
    if colon and kind in ("local", "openai") and not model.strip():
        raise UsageError(f"--model {name} names no model", hint=f"such as {kind}:{_EXAMPLES[kind]}")
    if colon and kind == "local":
        return ModelEndpoint(
            name=name,
            model=model,
            protocol=ModelProtocol.MESSAGES,
            base_url=environment.get("NLAPI_LOCAL_URL") or LOCAL_URL,
            token=environment.get("NLAPI_LOCAL_TOKEN") or LOCAL_TOKEN,
            variable="NLAPI_LOCAL_TOKEN",
            prices=FREE,
        )
    if colon and kind == "openai":
        return ModelEndpoint(
            name=name,
            model=model,
            protocol=ModelProtocol.CHAT,
            base_url=environment.get("OPENAI_BASE_URL") or CHAT_URL,
            key=environment.get("OPENAI_API_KEY", "").strip(),
            variable="OPENAI_API_KEY",
        )

    return _anthropic_endpoint(name, environment)


def _anthropic_endpoint(name: str, environment: Mapping[str, str]) -> ModelEndpoint:
    for platform in PLATFORMS:
        if environment.get(platform.variable, "").strip().lower() in ("1", "true", "yes", "on"):
            model = environment.get(model_variable(name), "").strip() or f"{platform.prefix}{name}"
            return ModelEndpoint(
                name=name,
                model=model,
                protocol=ModelProtocol.MESSAGES,
                base_url="",
                variable=platform.variable,
                prices=MODELS.get(name),
                platform=platform,
                platform_secrets=tuple(filter(None, map(environment.get, PLATFORM_SECRETS))),
            )
    key, token = (environment.get(f"ANTHROPIC_{kind}", "").strip() for kind in ("API_KEY", "AUTH_TOKEN"))
    return ModelEndpoint(
        name=name,
        model=name,
        protocol=ModelProtocol.MESSAGES,
        base_url=environment.get("ANTHROPIC_BASE_URL") or MESSAGES_URL,
        key=key,
        token="" if key else token,
        has_profile=not key and not token and has_profile(environment),
        variable="ANTHROPIC_API_KEY",
        headers=_parse_headers(environment.get("ANTHROPIC_CUSTOM_HEADERS", "")),
        prices=MODELS.get(name),
    )


def _parse_headers(text: str) -> dict[str, str]:
    """Return headers by their names in lower case, from lines as in HTTP; what is not a header is left out."""
    pairs = (entry.partition(":") for entry in text.splitlines())
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return {name: value for name, value in headers.items() if TOKEN.fullmatch(name) and value.isascii()}


FREE = ModelPrices(input=0, output=0)
_EXAMPLES = {"local": "qwen3:8b", "openai": "gpt-5.2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The models and caps of models.toml; `default` is the name of the model to use where none is asked for."""

    endpoints: Mapping[str, ModelEndpoint] = field(default_factory=dict)
    default: str = ""
    caps: Caps = NO_CAPS


def read_model_settings(file: Path, environment: Mapping[str, str]) -> ModelSettings:
    """Return the user's models.toml; empty settings without the file. UsageError names what is wrong in it."""
    try:
        document = read_toml(file)
    except (OSError, ValueError) as error:
        raise UsageError(fault_of(file, error), hint=FILE_HINT) from None
    if document is None:
        return ModelSettings()
    default = document.pop("default", "")
    caps = _parse_caps(document.pop(LIMITS, {}), file)
    endpoints = {name: _parse_endpoint(name, data, file, environment) for name, data in document.items()}
    names = ("local", *endpoints, *MODELS, *CLAUDE_VERSIONS)
    if not isinstance(default, str) or (default and default not in names and ":" not in default):
        raise UsageError(
            f"{file}: default names no model of the file",
            hint=f"there are {', '.join((*endpoints, *CLAUDE_VERSIONS))}, local:NAME, openai:NAME",
        )
    return ModelSettings(endpoints=endpoints, default=default, caps=caps)


def _parse_caps(data: Any, file: Path) -> Caps:
    """Return the caps of the table `limits`. UsageError for an unknown one, and one that is not a number."""
    if not isinstance(data, Mapping):
        raise UsageError(f"{file}: {LIMITS} is not a table", hint="such as [limits], max_usd = 0.5")
    for key, value in data.items():
        if key not in _CAPS:
            raise UsageError(f"{file}: {LIMITS}.{key} is unknown", hint=f"there are {', '.join(_CAPS)}")
        is_number = isinstance(value, int | float if _CAPS[key] is float else int) and not isinstance(value, bool)
        if not is_number or not value >= 0:
            kind = "whole number" if _CAPS[key] is int else "number"
            raise UsageError(f"{file}: {LIMITS}.{key} is not a {kind} of 0 or more", hint="leave it out for no limit")
    return Caps(usd=data.get("max_usd"), steps=data.get("max_steps"), seconds=data.get("max_seconds"))


def _parse_endpoint(name: str, data: Any, file: Path, environment: Mapping[str, str]) -> ModelEndpoint:
    if not isinstance(data, Mapping):
        raise UsageError(f"{file}: {name} is not a table", hint=FILE_HINT)
    _check_fields(name, data, file)
    protocol, reference = data.get("protocol", "messages"), data.get("key", "")
    variable = reference.removeprefix("env:")
    secret = environment.get(variable, "").strip() if variable else LOCAL_TOKEN
    has_prices = "input" in data and "output" in data
    return ModelEndpoint(
        name=name,
        model=data["model"],
        protocol=ModelProtocol(protocol),
        base_url=data["base_url"],
        key=secret if variable else "",
        token="" if variable else secret,
        variable=variable,
        prices=ModelPrices(input=data["input"], output=data["output"]) if has_prices else None,
    )


def _check_fields(name: str, data: Mapping[str, Any], file: Path) -> None:
    """Raise UsageError for what is wrong with a model of the file."""
    for key, value in data.items():
        if key not in _FIELDS:
            raise UsageError(f"{file}: {name}.{key} is unknown", hint=f"there are {', '.join(_FIELDS)}")
        expected = (int, float) if _FIELDS[key] is float else str
        if not isinstance(value, expected) or isinstance(value, bool):
            raise UsageError(f"{file}: {name}.{key} has to be a {'number' if _FIELDS[key] is float else 'text'}")
        # A price below 0 would give back dollars of --max-usd, and nan would never reach it.
        if not isinstance(value, str) and not 0 <= value < math.inf:
            raise UsageError(f"{file}: {name}.{key} is not a price", hint="dollars per million tokens, of 0 or more")
    for key in ("model", "base_url"):
        if not data.get(key):
            raise UsageError(f"{file}: {name}.{key} is missing", hint=FILE_HINT)
    if (protocol := data.get("protocol", "messages")) not in tuple(ModelProtocol):
        raise UsageError(f"{file}: {name}.protocol is {protocol!r}", hint="messages or chat")
    reference = data.get("key", "")
    if reference and not reference.startswith("env:"):
        raise UsageError(
            f"{file}: {name}.key is not a reference", hint="such as env:MY_KEY; the file holds no key itself"
        )
