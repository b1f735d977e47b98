"""`nlapi ask --plan`: the plan as a tree and as a workflow document, also in a file; nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.agent.events import ChoiceOffered, PlannerChosen
from nlapi.agent.loop import offered_choices
from nlapi.agent.models.messages import model_state
from nlapi.cli.ask.prompts import choose_operation
from nlapi.cli.options import Setup, is_terminal
from nlapi.cli.render import console
from nlapi.cli.workflow.view import mermaid
from nlapi.errors import MissingError, PlannerError, UsageError, file_faults
from nlapi.local_files import write_output
from nlapi.openapi.urls import is_http_url, redact_url
from nlapi.planner.planner import OfflinePlanner
from nlapi.tools.plan import Conversation, Plan, WorkflowProposal
from nlapi.workflows.from_plan import workflow_of_model_plan, workflow_of_plan
from nlapi.workflows.outline import masked_outline, tree_lines

if TYPE_CHECKING:
    from nlapi.cli.ask.session import Session
    from nlapi.openapi.spec import Spec
    from nlapi.workflows.draft import BuiltDocument
    from nlapi.workflows.model import WorkflowDocument


def description_locations(names: Mapping[Spec, str], output: str) -> dict[Spec, str]:
    """Return where the description of each API is for a document at `output`, by the names that the user gave.

    A file is named by its path from the folder of the document, an API that is registered or bundled by its name.
    """
    folder = Path.cwd() if output == "-" else Path(output).resolve().parent
    return {spec: _location(name, folder) for spec, name in names.items()}


def _location(name: str, folder: Path) -> str:
    if is_http_url(name):
        return redact_url(name)
    path = Path(name)
    if name == "-":
        raise UsageError(
            "a description from standard input has no place that a workflow can name", hint="give the path of its file"
        )
    return Path(os.path.relpath(path.resolve(), folder)).as_posix() if path.is_file() else name


def write_document(document: WorkflowDocument, output: str) -> None:
    """Write a document: JSON for a file that ends in .json, else YAML. UsageError where it cannot be written."""
    from nlapi.workflows.write import format_of, render

    write_text(render(document.tree, format_of(output)), output)
    if output == "-":
        return
    workflow = document.workflows[0]
    console.note(f"{output}: workflow {workflow.id} of {console.count_noun(len(workflow.steps), 'step')}")


def write_text(text: str, output: str) -> None:
    """Write a text to a file, or to standard output for "-". UsageError where it cannot be written."""
    if output == "-":
        console.write(text, end="")
        return
    with file_faults(f"cannot write {output}", UsageError, hint="name a file in a folder that is there"):
        write_output(Path(output), text)


async def show_plan(session: Session, setup: Setup, conversation: Conversation) -> None:
    """Show the plan for a question, and save it where a file is named. MissingError if none exists."""
    plan, conversation = await _chosen_plan(session, conversation)
    if plan.proposal is not None:
        _show_workflow(plan.proposal, setup)
        return
    built = _planned(session, setup, conversation, plan)
    tree = masked_outline(built.linked, built.linked.document.workflow(), built.examples)
    for issue in built.issues:
        console.note(str(issue))
    output = setup.plan_to or ("" if is_terminal() else "-")
    for line in tree_lines(tree):
        (console.note if output == "-" else console.write)(line)
    if output.lower().endswith(".mmd"):
        write_text(mermaid(tree) + "\n", output)
        console.note(f"{output}: a diagram of {console.count_noun(len(tree.entries), 'step')}")
    elif output:
        write_document(built.linked.document, output)
    console.note("nothing was sent")


def _show_workflow(proposal: WorkflowProposal, setup: Setup) -> None:
    """Show the registered workflow that a plan runs: it is a document already."""
    if proposal.fault:
        raise MissingError(f"the workflow {proposal.call.operation_id} cannot run: {proposal.fault}")
    for line in proposal.lines:
        console.write(line)
    file, id = proposal.record["file"], proposal.record["id"]
    if setup.plan_to:
        hint = f"`nlapi workflow show {file} {id}` shows it"
        raise UsageError(f"the question means the workflow {id}, which {file} has; nothing was written", hint=hint)
    console.note(f"the workflow {id} of {file}; nothing was sent")


async def _chosen_plan(session: Session, conversation: Conversation) -> tuple[Plan, Conversation]:
    """Return the plan for a question, after the choice of an operation where there is one to choose."""
    plan = await _first_plan(session, conversation)
    while choices := offered_choices(plan, session.policy.offer_below):
        offered = ChoiceOffered(choices=choices, plan=plan, conversation=conversation)
        conversation = conversation.with_choice(choose_operation(offered, ask=session.policy.interactive))
        plan = await _first_plan(session, conversation)
    if not plan.calls:
        raise MissingError(plan.text or "the question leads to no call", hint="say it in other words")
    if plan.understood:
        confidence = f" ({plan.confidence:.0%} sure)" if plan.confidence < 1 else ""
        console.dim(f"understood: {plan.understood}{confidence}")
    return plan, conversation


def _planned(session: Session, setup: Setup, conversation: Conversation, plan: Plan) -> BuiltDocument:
    output = setup.plan_to or "-"
    locations = description_locations(
        dict(zip(session.targets, dict.fromkeys(setup.sources or ()), strict=False)), output
    )
    if model_state(plan) is None:
        planner = OfflinePlanner(tuple(session.targets))
        return workflow_of_plan(planner, conversation, plan, locations=locations)
    if not plan.following:
        console.note("the model may go on when it sees the answers: these are its first calls")
    return workflow_of_model_plan(conversation, plan, tuple(session.targets), locations=locations)


async def _first_plan(session: Session, conversation: Conversation) -> Plan:
    """Return the first plan of the session's planner; the embedded one plans without the names that the API has."""
    from nlapi.planner.steps.name_rounds import NamesState

    async for piece in session.planner.next(conversation):
        if isinstance(piece, PlannerChosen):
            console.dim(f"planner: {piece.model or piece.planner}, as {piece.why}")
        if isinstance(piece, Plan):
            is_names = isinstance(piece.raw, NamesState)
            return OfflinePlanner(tuple(session.targets)).first_plan(conversation) if is_names else piece
    raise PlannerError(f"the planner {session.planner.name} ended without a plan")
