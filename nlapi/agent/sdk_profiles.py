"""Credentials of Anthropic's tools on this machine: the profile of a login, or a workload identity."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError
from nlapi.extras import require_extra

if TYPE_CHECKING:
    import httpx2

_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")
_IDENTITIES = ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN")
_HINT = "log in again, or set ANTHROPIC_API_KEY"


def has_profile(environment: Mapping[str, str]) -> bool:
    """Return whether Anthropic's SDK finds a credential that is no key, without importing it, which takes 0.7 s."""
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
    if sys.platform == "win32":
        return Path(environment.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Anthropic"
    return Path(environment.get("HOME") or Path.home()) / ".config" / "anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCredential:
    """What a profile gives for a request: its authentication, further headers, and an address of its own or ""."""

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
