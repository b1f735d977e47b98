"""The conversion of operations into LLM tools; as a callable package, `nlapi.tools(spec)` returns a Spec's tools."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlapi.openapi.spec import Spec
    from nlapi.tools.tool import Tool


# `import nlapi.tools.x` binds the attribute `tools` of `nlapi` to this package, in place of the function that
# `nlapi.__init__` exports under the same name. So the package itself has to behave as that function.
class _CallablePackage(ModuleType):
    """A module type that makes the package callable."""

    def __call__(self, spec: Spec, *, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> tuple[Tool, ...]:
        """Return the tools of a Spec; `include` and `exclude` select operations as `nlapi.openapi.selection` does.

        A filter that matches no operation is a UserWarning.
        """
        from nlapi.openapi.selection import select_operations
        from nlapi.tools.compile import tools

        chosen = select_operations(spec, include, exclude)
        for issue in chosen.issues:
            warnings.warn(str(issue), stacklevel=2)
        return tools(spec, chosen.operations)


sys.modules[__name__].__class__ = _CallablePackage
