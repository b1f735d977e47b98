"""Operations in, LLM tools out. The package is callable: `nlapi.tools(spec)` gives the tools of a description."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.tool import Tool


class _Callable(ModuleType):
    """Importing a submodule puts this package where the function `nlapi.tools` stands, so it is that function."""

    def __call__(self, spec: Spec, *, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> tuple[Tool, ...]:
        """The tools of a Spec; `include` and `exclude` choose operations as `nlapi.openapi.select` says.

        A filter that is about no operation is a UserWarning.
        """
        from nlapi.openapi.select import select
        from nlapi.tools.compile import tools

        chosen = select(spec, include, exclude)
        for issue in chosen.issues:
            warnings.warn(str(issue), stacklevel=2)
        return tools(spec, chosen.operations)


sys.modules[__name__].__class__ = _Callable
