"""Operations in, LLM tools out. The package is callable: `nlapi.tools(spec)` gives the tools of a description."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.tool import Tool


class _Callable(ModuleType):
    """Importing a submodule puts this package where the function `nlapi.tools` stands, so it is that function."""

    def __call__(self, spec: Spec) -> tuple[Tool, ...]:
        from nlapi.tools.compile import tools

        return tools(spec)


sys.modules[__name__].__class__ = _Callable
