"""A scheduler as a description: lists by POST with filters in the body, twins by name, states that are set."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from tests.describe import body, parameter, spec

_ID = parameter("id", "path", {"type": "string", "format": "uuid"}, description="The id.")
_NAME = parameter("name", "path", {"type": "string"}, description="The name.")
_STATES = {"type": "string", "enum": ["SCHEDULED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CANCELLING"]}


def _thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _operation(id: str, summary: str, *parameters: Any, answer: Any = None, **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": answer}} if answer is not None else {}
    responses = {"200": {"description": "ok", **({"content": content} if content else {})}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": responses, **more}


def pipelines() -> Spec:
    """Pipelines and their runs, settings by name, and collections below a tenant and a database."""
    pipeline = _thing(id={"type": "string", "format": "uuid"}, name={"type": "string"})
    run = _thing(id={"type": "string", "format": "uuid"}, name={"type": "string"}, state=_STATES)
    setting = _thing(id={"type": "string", "format": "uuid"}, name={"type": "string"}, value={"type": "string"})
    names = {"type": "array", "items": {"type": "string"}, "description": "A list of names to include"}
    page = {"limit": {"type": "integer"}, "offset": {"type": "integer"}}
    of_pipeline = body(_thing(pipelines=_thing(name=_thing(any_=names)), **page), required=False)
    reads = {"x-nlapi-effect": "read"}
    paged = {**body(_thing(**page), required=False), **reads}
    change = body(_thing(name={"type": "string"}, value={"type": "string", "description": "The value."}))
    state = {**_thing(type=_STATES), "required": ["type"]}
    below = [parameter(name, "path") for name in ("tenant", "database")]
    place = "/tenants/{tenant}/databases/{database}/boxes"
    box = parameter("box_id", "path", description="Box UUID")
    ids = {"type": "array", "items": {"type": "string"}}
    boxes = {"type": "array", "items": _thing(id={"type": "string"}, name={"type": "string"})}
    who = _thing(tenant={"type": "string"}, databases=ids)

    def listed(thing: Any) -> dict[str, Any]:
        return {"type": "array", "items": thing}

    return spec(
        {
            "/pipelines/filter": {
                "post": _operation("read_pipelines", "Read Pipelines", answer=listed(pipeline), **paged)
            },
            "/pipelines/paginate": {
                "post": _operation(
                    "paginate_pipelines", "Paginate Pipelines", answer=_thing(results=listed(pipeline)), **paged
                )
            },
            "/pipelines/{id}": {
                "get": _operation("read_pipeline", "Read Pipeline", _ID, answer=pipeline),
                "delete": _operation("delete_pipeline", "Delete Pipeline", _ID),
            },
            "/pipelines/{id}/create_run": {"post": _operation("create_run_of", "Create Run Of Pipeline", _ID)},
            "/pipelines/{id}/resume": {"post": _operation("resume_pipeline", "Resume Pipeline", _ID)},
            "/pipeline_runs/filter": {
                "post": _operation("read_runs", "Read Pipeline Runs", answer=listed(run), **of_pipeline, **reads)
            },
            "/pipeline_runs/count": {
                "post": _operation(
                    "count_runs",
                    "Count Pipeline Runs",
                    answer={"type": "integer"},
                    **of_pipeline,
                    description="Count runs.",
                )
            },
            "/pipeline_runs/{id}": {
                "get": _operation("read_run", "Read Pipeline Run", _ID, answer=run),
                "delete": _operation("delete_run", "Delete Pipeline Run", _ID),
            },
            "/pipeline_runs/{id}/set_state": {
                "post": _operation(
                    "set_run_state",
                    "Set Pipeline Run State",
                    _ID,
                    **body({**_thing(state=state), "required": ["state"]}),
                )
            },
            "/settings/filter": {"post": _operation("read_settings", "Read Settings", answer=listed(setting), **paged)},
            "/settings/{id}": {"patch": _operation("update_setting", "Update Setting", _ID, **change)},
            "/settings/name/{name}": {
                "get": _operation("read_setting_by_name", "Read Setting By Name", _NAME, answer=setting),
                "patch": _operation("update_setting_by_name", "Update Setting By Name", _NAME, **change),
            },
            "/auth/identity": {"get": _operation("identity", "Get user identity", answer=who)},
            "/healthcheck": {"get": _operation("healthcheck", "Healthcheck")},
            place: {"get": _operation("list_boxes", "List boxes", *below, answer=boxes)},
            f"{place}/{{box_id}}/delete": {
                "post": _operation("delete_records", "Delete records", *below, box, **body(_thing(ids=ids)))
            },
        }
    )
