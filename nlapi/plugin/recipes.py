"""The recipes of a plugin: chains of its operations as workflows that one command runs, and as steps in its skills.

Those of a build are made of the description; people put theirs beside them, as `workflows/*.arazzo.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nlapi.client.safe_text import code_span
from nlapi.errors import Issue, Level, NlapiError
from nlapi.openapi.document import read_tree
from nlapi.openapi.spec import Effect, Operation, Spec, as_map
from nlapi.plugin.markdown import fill_template, inert_line
from nlapi.plugin.names import callable_id
from nlapi.plugin.user_files import is_workflow_file
from nlapi.tools.texts.names import join_names
from nlapi.workflows.chains import ChainFinder
from nlapi.workflows.check import check
from nlapi.workflows.draft import document_tree
from nlapi.workflows.model import ArazzoWorkflow, StepActionKind
from nlapi.workflows.outline import OutlineEntry, WorkflowOutline, outline, source_text
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import LinkedDocument, link, source_of
from nlapi.workflows.suggest import MAX_RECIPES, chain_draft, recipe_chains
from nlapi.workflows.write import DocumentFormat, render

if TYPE_CHECKING:
    from nlapi.plugin.trial import Trial

FOLDER = "workflows/"
SUFFIX = ".arazzo.json"

# The description of a plugin, seen from the folder of its workflows.
_DESCRIPTION = "../api/openapi.json"

# Steps that a skill shows of one recipe, and recipes that one skill has.
MAX_STEPS = 10
MAX_OF_SKILL = 3

# Characters of the line with the command of a recipe.
MAX_COMMAND = 400

# Optional inputs that a skill names; `run RECIPE --dry-run` has all of them.
MAX_OPTIONAL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A workflow of a plugin, as a tree."""

    tree: WorkflowOutline

    @property
    def workflow(self) -> ArazzoWorkflow:
        return self.tree.workflow

    @property
    def id(self) -> str:
        return self.workflow.id

    @property
    def about(self) -> str:
        return self.workflow.summary or self.workflow.description or self.id

    @property
    def home(self) -> Operation:
        """The operation in whose skill the recipe stands: its last change, or its last read."""
        operations = self.tree.operations
        changes = [operation for operation in operations if operation.effect is not Effect.READ]
        return (changes or operations)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeBook:
    """The recipes of a plugin, those of people first; `files` are those that the build writes, path -> text.

    `issues` say what is wrong with the workflows of people: what contradicts the description is not a recipe.
    """

    recipes: tuple[Recipe, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


def build_recipes(description: Spec, own_files: Mapping[str, bytes], trial: Trial) -> RecipeBook:
    """Return the recipes of a plugin with this description, and what is wrong with those of people."""
    recipes_of_user, issues = _own_recipes(
        description, {path: own_files[path] for path in filter(is_workflow_file, own_files)}
    )
    taken = [recipe.id for recipe in recipes_of_user]
    files: dict[str, str] = {}
    recipes: list[Recipe] = []
    finder = ChainFinder(description)
    for chain in recipe_chains(finder, max(0, MAX_RECIPES - len(recipes_of_user))):
        draft = chain_draft(finder, chain, taken, url=_DESCRIPTION)
        tree = document_tree([draft], f"{description.title}: {chain.summary}")
        linked = link(parse_document(tree), loader=lambda _: description)
        steps = outline(linked, linked.document.workflow(draft.id), {})
        if not check(linked) and trial.runs(linked, steps):
            taken.append(draft.id)
            files[f"{FOLDER}{draft.id}{SUFFIX}"] = render(tree, DocumentFormat.JSON)
            recipes.append(Recipe(tree=steps))
    return RecipeBook(recipes=(*recipes_of_user, *recipes), files=files, issues=tuple(issues))


def _own_recipes(spec: Spec, files: Mapping[str, bytes]) -> tuple[list[Recipe], list[Issue]]:
    """Return the workflows of people that run as their description says, and what is wrong with the others."""
    recipes: list[Recipe] = []
    issues: list[Issue] = []
    for path, content in sorted(files.items()):
        try:
            linked = _link_own(spec, path, content)
        except NlapiError as error:
            issues.append(Issue.error(path, error.message, error.hint, rule="workflow"))
            continue
        findings = check(linked)
        issues += (replace(issue, where=f"{path}: {issue.where}", rule="workflow") for issue in findings)
        for workflow in linked.document.workflows:
            is_faulty = any(_is_fault_of(issue, workflow.id) for issue in findings)
            if workflow.id in [recipe.id for recipe in recipes]:
                message = f"another document has a workflow {workflow.id} too"
                issues.append(Issue.error(path, message, "give it another workflowId", rule="workflow"))
            elif not is_faulty:
                tree = outline(linked, workflow, {})
                if tree.operations:
                    recipes.append(Recipe(tree=tree))
    return recipes, issues


def _is_fault_of(issue: Issue, id: str) -> bool:
    """Return whether an Issue stops a workflow: it is about that, or about all of a document."""
    is_about = not issue.where.startswith("workflows.") or f"{issue.where}.".startswith(f"workflows.{id}.")
    return issue.level is Level.ERROR and is_about


def _link_own(spec: Spec, path: str, content: bytes) -> LinkedDocument:
    document = parse_document(read_tree(content, path)[0], path)

    def load(source: str) -> Spec:
        # A plugin is of one API: another description is not fetched while it is built.
        if source != _DESCRIPTION:
            hint = f"name {_DESCRIPTION} as its source"
            raise NlapiError(f"{source} is not the description of this plugin", hint=hint)
        return spec

    return link(document, sources=source_of(document, _DESCRIPTION), loader=load)


def step_lines(recipe: Recipe) -> Iterator[str]:
    """Yield the numbered steps of a recipe: the operation of each, and its values from the steps before it."""
    numbers = {entry.path: number for number, entry in enumerate(recipe.tree.entries, 1)}
    for entry in recipe.tree.entries[:MAX_STEPS]:
        operation = entry.operation
        text = f"`{operation.id}`" if operation is not None else f"the workflow {code_span(entry.step.target, 64)}"
        values = [*_handed_values(recipe, entry, numbers), *_constants(entry)]
        is_waiting = any(action.kind is StepActionKind.RETRY for action in entry.step.on_failure)
        details = f": {', '.join(values)}" if values else ""
        yield f"{numbers[entry.path]}. {text}{details}{', again until it is done' if is_waiting else ''}"
    if (more := len(recipe.tree.entries) - MAX_STEPS) > 0:
        yield f"{MAX_STEPS + 1}. and {more} more: `--dry-run` shows them"


def _handed_values(recipe: Recipe, entry: OutlineEntry, numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield the arguments of a step that are values of earlier ones."""
    for name, expression in entry.bound.pending if entry.bound is not None else ():
        if (source := recipe.tree.source_of(entry, expression)) is not None:
            answer = code_span(source_text(expression).rpartition(" of ")[0], 40)
            yield f"{code_span(name, 64)} is {answer} of step {numbers[source.path]}"


def _constants(entry: OutlineEntry) -> Iterator[str]:
    """Yield the arguments of a step that are the same in each run."""
    for name, value in entry.bound.call.arguments.items() if entry.bound is not None else ():
        if isinstance(value, (str, int, float, bool)):
            yield f"{code_span(name, 64)} is {code_span(str(value), 40)}"


def recipe_lines(recipe: Recipe, command: str, settings: Sequence[str] = ()) -> list[str]:
    """Return the text of a recipe in a skill: its name, its purpose, its steps, and the command with its inputs."""
    schemas = {name: as_map(schema) for name, schema in recipe.workflow.input_schemas.items()}
    required = {name: schemas.get(name, {}) for name in recipe.workflow.required_inputs if name not in settings}
    pairs = " ".join(f"{name}={_placeholder(name, node)}" for name, node in required.items() if "default" not in node)
    summary = inert_line(recipe.about, 160).rstrip(".")
    line = f"{command} run {recipe.id} {pairs}".rstrip()
    line = line if len(line) <= MAX_COMMAND else f"{command} run {recipe.id} KEY=VALUE ..."
    optional = [code_span(name, 64) for name in schemas if name not in recipe.workflow.required_inputs]
    also = ["", f"Optional: {join_names(optional, MAX_OPTIONAL)}."] if optional else []
    return [f"**{summary}**", "", *step_lines(recipe), "", "```", line, "```", *also]


def _placeholder(name: str, schema: Mapping[str, object]) -> str:
    if schema.get("format") == "binary" or "contentMediaType" in schema:
        return "@FILE"
    return "'{...}'" if schema.get("type") == "object" else name.upper()


def recipes_section(recipes: Sequence[Recipe], command: str, settings: Sequence[str] = ()) -> str:
    """Return the section of a skill with its recipes; "" without any."""
    if not recipes:
        return ""
    head = "Run one with `--dry-run` first, and with `--yes` once the user has agreed to all its steps."
    blocks = ["\n".join(recipe_lines(recipe, command, settings)) for recipe in recipes[:MAX_OF_SKILL]]
    more = [f"`{recipe.id}`" for recipe in recipes[MAX_OF_SKILL:]]
    tail = [f"More: {', '.join(more)}; `{command} run` lists them all."] if more else []
    return "\n\n".join(["## Recipes", head, *blocks, *tail])


def recipe_index(recipes: Sequence[Recipe], command: str) -> str:
    """Return the list of all recipes for the skill of the whole; "" without any."""
    if not recipes:
        return ""
    lines = [f"- `{recipe.id}`: {inert_line(recipe.about, 120).rstrip('.')}" for recipe in recipes]
    return fill_template("recipes.md", command=command, lines="\n".join(lines))


def recipes_of_area(recipes: Sequence[Recipe], operations: Sequence[Operation]) -> list[Recipe]:
    """Return the recipes that stand in the skill of an area, which has the operation that they lead to."""
    ids = {callable_id(operation) for operation in operations}
    return [recipe for recipe in recipes if recipe.home.id in ids]


def recipe_usage(recipes: Sequence[Recipe], command: str) -> str:
    """Return how recipes are run, for a plugin of one skill; "" without any."""
    text = fill_template("recipes.md", command=command, lines="") if recipes else ""
    return text.replace("## Recipes", "## Running recipes")
