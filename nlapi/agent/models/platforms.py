"""Claude at a cloud's platform, by Anthropic's own client for it, which knows its wire, regions and credentials."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from nlapi.agent.models.connections import MessagesReader, ModelConnection, Prompt
from nlapi.agent.models.endpoints import ModelEndpoint
from nlapi.agent.models.http import CONNECT_TIMEOUT, READ_TIMEOUT, ModelServerError, explain_error
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, require_extra

# The modules of the errors of AWS's and Google's own login.
_LOGIN_MODULES = ("botocore.", "google.auth.", "boto3.")


class PlatformConnection(ModelConnection):
    """A way to Claude by the client of its platform, open until it is left."""

    def __init__(self, endpoint: ModelEndpoint, *, max_retries: int) -> None:
        assert endpoint.platform is not None
        require_extra("claude", f"Claude at {endpoint.platform.title}")
        import anthropic
        from httpx2 import Timeout

        self._endpoint = endpoint
        self._reader = MessagesReader
        timeout = Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        try:
            make: Any = getattr(anthropic, endpoint.platform.client)
            self._client: Any = make(max_retries=max_retries, timeout=timeout)
        except (anthropic.AnthropicError, ValueError, RuntimeError, ImportError) as error:
            raise _login_error(error, endpoint) from None

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def _events(self, prompt: Prompt) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of an answer as the Messages API has them. PlannerError."""
        import anthropic
        from httpx2 import HTTPError

        try:
            stream = await self._client.messages.create(**MessagesReader.body(prompt, self._endpoint))
            async with stream:
                async for event in stream:
                    yield event.to_dict(mode="json")
        except anthropic.APIStatusError as error:
            raise explain_error(ModelServerError(error.response, error.body), self._endpoint) from None
        except anthropic.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, HTTPError):
                raise explain_error(cause, self._endpoint) from None
            raise _login_error(cause if isinstance(cause, Exception) else error, self._endpoint) from None
        except (anthropic.AnthropicError, RuntimeError, ImportError) as error:
            raise _login_error(error, self._endpoint) from None
        except Exception as error:
            if not f"{type(error).__module__}.".startswith(_LOGIN_MODULES):
                raise
            raise _login_error(error, self._endpoint) from None


def _login_error(error: Exception, endpoint: ModelEndpoint) -> PlannerError:
    reason = endpoint.mask(single_line(str(error)))[:300]
    return PlannerError(f"{endpoint.address} cannot be asked: {reason}", hint=endpoint.key_hint)
