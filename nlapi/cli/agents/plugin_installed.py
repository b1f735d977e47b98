"""A plugin as it is installed where nlapi runs: its API as the user configured it, and its commands in a session."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.call import call
from nlapi.cli.options import AnswerOptions, argument
from nlapi.cli.render import console
from nlapi.errors import ConsentError, UsageError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from nlapi.agent.records.receipts import DialogReceipts
    from nlapi.cli.agents.plugin_run import OpenedRecipe
    from nlapi.cli.agents.session_broker import ForkReceipts
    from nlapi.cli.call.batch import BatchInput
    from nlapi.cli.workflow.inputs import RunOptions
    from nlapi.openapi.spec import Spec
    from nlapi.plugin.argument_settings import SettingValues
    from nlapi.plugin.folder import PluginManifest
    from nlapi.tools.sending.run import Target

# Options of `nlapi call` that say where a call goes and as whom: in a plugin they are settings, and not the model's.
_SETTING_OPTIONS = ("base_url", "env", "auth", "no_auth", "overlays", "root")


@dataclass(slots=True, kw_only=True)
class InstalledPlugin:
    """A plugin's folder, and the environment with the user's variables and options.

    `digest` is the SHA-256 of the description when it was opened: it is read later, and must be the same.
    """

    folder: Path
    manifest: PluginManifest
    digest: str
    environment: Mapping[str, str] = field(repr=False)
    spec: Spec | None = None

    @classmethod
    def open(cls, folder: Path) -> InstalledPlugin:
        """Return the plugin of a folder. NlapiError for any other folder."""
        from nlapi.plugin.build import DESCRIPTION, MANIFEST
        from nlapi.plugin.folder import read_manifest

        manifest = read_manifest((folder / MANIFEST).read_bytes(), MANIFEST)
        content = (folder / DESCRIPTION).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return cls(folder=folder, manifest=manifest, digest=digest, environment=dict(os.environ))

    def programs(self) -> tuple[Path, ...]:
        """Return the files that the client runs, and those that say which, where it has them."""
        from nlapi.plugin.programs import CLIENT_FILES, command_name

        # The folder as the client names it: it may be a link, which leads elsewhere later.
        root = Path(self.environment.get("CLAUDE_PLUGIN_ROOT") or self.folder)
        return tuple(root / name for name in (*CLIENT_FILES, f"bin/{command_name(self.manifest.name)}"))

    def load(self) -> Spec:
        """Return the plugin's description. ConsentError where its file was changed since it was opened."""
        import nlapi
        from nlapi.plugin.build import DESCRIPTION

        if self.spec is None:
            path = self.folder / DESCRIPTION
            spec = nlapi.load(path, cache=user_folder("cache"))
            # After it was read: what is used is what was there at the beginning of the session.
            if hashlib.sha256(path.read_bytes()).hexdigest() != self.digest:
                raise ConsentError(
                    f"{DESCRIPTION} of the plugin was changed in this session",
                    hint="start a new session if that is fine",
                )
            self.spec = spec
        return self.spec

    def target(self, receipts: ForkReceipts | None = None) -> Target:
        """Return the API with the address and the credentials of the user: a variable goes before an option."""
        from nlapi.plugin.build import DESCRIPTION
        from nlapi.plugin.names import credential_settings, credential_variables
        from nlapi.tools.rules import read_field_rules, read_rules
        from nlapi.tools.sending.run import Target

        spec, options, source = self.load(), self.manifest.options, str(self.folder / DESCRIPTION)
        usable = [operation for operation in spec.operations if operation.usable]
        variable_of = (
            {} if options.no_auth else credential_variables(spec, usable, self.manifest.name, options.variables)
        )
        credentials = {
            scheme: value
            for setting in credential_settings(variable_of)
            if (value := self._setting(setting.variable, setting.option))
            for scheme in setting.schemes
        }
        return Target(
            spec=spec,
            base_url=self._base_url() or None,
            settings=self._setting_values(),
            credentials=credentials,
            variables=variable_of,
            no_auth=options.no_auth,
            rules=read_rules(spec, source),
            field_rules=read_field_rules(spec, source),
            receipts=dialog_receipts(receipts),
            pinned=True,
        )

    def _setting(self, variable: str, option: str) -> str:
        from nlapi.plugin.programs import OPTION_PREFIX

        value = self.environment.get(f"{OPTION_PREFIX}{option.upper()}", "")
        # An option that is not set may be left as it stands in the plugin's files.
        return self.environment.get(variable, "") or ("" if value.startswith("${") else value)

    def _base_url(self) -> str:
        from nlapi.plugin.names import BASE_URL

        return self._setting(self.manifest.variables[0], BASE_URL) or self.manifest.options.base_url

    def _setting_values(self) -> SettingValues:
        """Return the values of the plugin's settings for where its API runs."""
        from nlapi.plugin.argument_settings import setting_values
        from nlapi.plugin.names import variable_form

        prefix = f"{variable_form(self.manifest.name)}_"
        variables = self.manifest.settings.values()
        values = {variable: self._setting(variable, variable.removeprefix(prefix)) for variable in variables}
        return setting_values(self.manifest, self._base_url(), values)

    def open_recipe(
        self, recipe: str, texts: list[str], options: RunOptions, receipts: ForkReceipts | None = None
    ) -> OpenedRecipe:
        """Return a recipe, whose calls go where the user configured. UsageError if it does not exist."""
        from nlapi.cli.agents.plugin_run import open_recipe

        return open_recipe(self.folder, recipe, texts, options, self.target(receipts))

    def run(self, words: Sequence[str], receipts: ForkReceipts | None) -> None:
        """Run the plugin's command: a call, a batch, a recipe, or what shows and stores settings."""
        from nlapi.cli.agents.plugin_hook import BATCH
        from nlapi.cli.call.batch import run_batch
        from nlapi.cli.call.result_output import resolve_shape
        from nlapi.plugin.names import COMMAND_WORDS

        word = words[0] if words else ""
        if word in COMMAND_WORDS and word != BATCH:
            self._run_command_word(word, words[1:], receipts)
            return
        if word == BATCH:
            batch = parse_batch(["SOURCE", *words[1:]])
            self._refuse_options(asdict(batch))
            run_batch(batch, self.target(receipts), {})
            return
        request, shape = parse_call(["SOURCE", *words])
        self._refuse_options(asdict(request))
        call.run_call(request, resolve_shape(shape), self.target(receipts), {})

    def _refuse_options(self, options: Mapping[str, Any]) -> None:
        from nlapi.client.auth import is_secret_header

        if named := next((name for name in _SETTING_OPTIONS if options.get(name)), ""):
            hint = "where the API is, and its credentials, are in the settings"
            raise UsageError(f"{self.manifest.command} takes no --{named.replace('_', '-')}", hint=hint)
        find = self.load().credential_parameters.scheme_of
        if any(find(pair.partition("=")[0]) is not None for pair in options.get("pairs") or ()):
            raise UsageError(f"{self.manifest.command} takes no credential", hint="it is in the settings")
        for header in options.get("headers") or ():
            if is_secret_header(header.partition(":")[0]):
                raise UsageError(f"{self.manifest.command} takes no credential", hint="it is in the settings")

    def _run_command_word(self, word: str, words: Sequence[str], receipts: ForkReceipts | None) -> None:
        from nlapi.agent.records.receipts import DialogReceipts, run_receipt
        from nlapi.cli.agents.plugin_hook import RESUME_HINT, parse_words, run_digest, run_options
        from nlapi.cli.agents.plugin_run import list_recipes, print_settings, run, run_opened, settings, store_settings

        if word == "resume":
            raise UsageError(f"{self.manifest.command} resumes nothing in a client's session", hint=RESUME_HINT)
        if word != "run":
            options = parse_words(settings, ["DIR", *words])
            values = self._setting_values()
            store_settings(self.manifest, values, self.load, options["pairs"])
            print_settings(self.manifest, values, options["output"])
            return
        options = parse_words(run, ["DIR", *words])
        self._refuse_options(options)
        if not options["recipe"]:
            list_recipes(self.folder)
            return
        texts = [*(options["inputs"] or ()), *(options["pairs"] or ())]
        chosen = run_options(options)
        recipe = self.open_recipe(options["recipe"], texts, chosen, receipts)
        if receipts is not None:
            # The user agreed to the run, whose later requests depend on answers.
            confirmed = run_receipt("plugin", self.load(), recipe.workflow.id, run_digest(recipe, chosen))
            whole = DialogReceipts(take_digest=receipts.take, report=console.note, run=confirmed)
            targets = {spec: replace(target, receipts=whole) for spec, target in recipe.opened.targets.items()}
            recipe = replace(recipe, opened=replace(recipe.opened, targets=targets))
        run_opened(recipe, chosen, dry_run=options["dry_run"])


def dialog_receipts(receipts: ForkReceipts | None) -> DialogReceipts | None:
    """Return the receipts of a session for its calls; None outside of one."""
    from nlapi.agent.records.receipts import DialogReceipts

    if receipts is None:
        return None
    return DialogReceipts(take_digest=receipts.take, report=console.note)


def run_plain(words: Sequence[str], receipts: ForkReceipts) -> None:
    """Run `nlapi call` or `nlapi batch` in a session, with the receipts of the session."""
    from nlapi.cli.agents.plugin_hook import BATCH
    from nlapi.cli.call.batch import run_batch
    from nlapi.cli.call.result_output import resolve_shape
    from nlapi.cli.target import open_requested

    request: call.CallInput | BatchInput
    if list(words[:1]) == [BATCH]:
        request = parse_batch(list(words[1:]))
    else:
        request, shape = parse_call(list(words[1:]))
    opened, known_values = open_requested(request)
    target = replace(opened, receipts=dialog_receipts(receipts))
    if isinstance(request, call.CallInput):
        call.run_call(request, resolve_shape(shape), target, known_values)
    else:
        run_batch(request, target, known_values)


def parse_call(words: Sequence[str]) -> tuple[call.CallInput, AnswerOptions]:
    """Return what `nlapi call` reads from its words."""
    from nlapi.cli.agents.plugin_hook import parse_words

    options = parse_words(call.call, words)
    shape = AnswerOptions(**{item.name: options.pop(item.name) for item in fields(AnswerOptions)})
    return call.CallInput(**options), shape


def parse_batch(words: Sequence[str]) -> BatchInput:
    """Return what `nlapi batch` reads from its words."""
    from nlapi.cli.agents.plugin_hook import parse_words
    from nlapi.cli.call.batch import BatchInput, batch

    return BatchInput(**parse_words(batch, words))


def session(
    folder: Annotated[Path, argument("DIR", "The plugin's folder.")],
    session_folder: Annotated[Path, argument("SESSION", "The folder of the session.")],
    client: Annotated[int, argument("PID", "The process of the client.")],
) -> None:
    """Be the broker of a client's session, until it ends."""
    from nlapi.cli.agents.session_broker import SessionBroker, start_detached
    from nlapi.plugin.programs import OPTION_PREFIX
    from nlapi.processes import process_info

    start_detached()
    plugin, process = InstalledPlugin.open(folder), process_info(client)
    # `--auth scheme=env:NAME` of a command is read here, and may name what is in this environment.
    for name in [name for name in os.environ if name.startswith(OPTION_PREFIX)]:
        del os.environ[name]
    if process is None:
        raise UsageError(f"there is no process {client}")

    def answer(event: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...], Any]:
        from nlapi.cli.agents.plugin_hook import consent_question, hook_answer
        from nlapi.plugin.programs import tool_prefix

        question = consent_question(event, plugin)
        is_tool = str(event["tool_name"]).startswith(tool_prefix(plugin.manifest.name))
        return hook_answer(question), question.digests, "server" if is_tool else "shell"

    def run(kind: str, words: list[str], receipts: ForkReceipts) -> int:
        from nlapi.cli.app import run_guarded

        if kind == "command":
            return run_guarded(lambda: plugin.run(words, receipts))
        return run_guarded(lambda: run_plain(words, receipts))

    SessionBroker(
        folder=session_folder,
        programs=plugin.programs(),
        client=process,
        prepare=plugin.load,
        answer=answer,
        run=run,
    ).serve()


def command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    session_folder: Annotated[Path, typer.Argument(metavar="SESSION")],
) -> None:
    """Run a plugin's command in a session whose broker is not there: with exported variables alone, and no change."""
    InstalledPlugin.open(folder).run(context.args, None)
