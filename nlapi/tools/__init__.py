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

    def __call__(
        self,
        spec: Spec,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        defer: bool = False,
        loaded: Iterable[str] = (),
    ) -> tuple[Tool, ...]:
        """Return the tools of a Spec; `include` and `exclude` select operations as `nlapi.openapi.selection` does.

        With `defer`, the definitions are deferred: the provider of the model searches them, and the model gets those
        that fit. `loaded` selects operations that it gets in every request all the same. `nlapi.manifest` adds the tool
        that searches. A filter that matches no operation is a UserWarning, `loaded` without `defer` a UsageError.
        """
        from nlapi.errors import UsageError
        from nlapi.openapi.selection import Selection, select_operations
        from nlapi.tools.compile import defer_tools, tools

        if loaded and not defer:
            raise UsageError("loaded is about deferred tools", hint="give defer=True too")
        chosen = select_operations(spec, include, exclude)
        always = select_operations(spec, loaded, option="loaded") if loaded else Selection(operations=())
        for issue in (*chosen.issues, *always.issues):
            warnings.warn(str(issue), stacklevel=2)
        compiled = tools(spec, chosen.operations)
        return defer_tools(compiled, always.operations) if defer else compiled


sys.modules[__name__].__class__ = _CallablePackage
