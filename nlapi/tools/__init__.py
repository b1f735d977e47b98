"""The conversion of operations into LLM tools; as a callable package, `nlapi.tools(spec)` returns a Spec's tools."""

from __future__ import annotations

import sys
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
        from nlapi.api import tools

        return tools(spec, include=include, exclude=exclude, defer=defer, loaded=loaded)


sys.modules[__name__].__class__ = _CallablePackage
