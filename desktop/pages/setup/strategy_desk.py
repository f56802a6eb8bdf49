"""What is done with a strategy's file and parameters: a new one, an editor, its source, its presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject

from desktop.pages.page import Context
from desktop.pages.setup.strategy_form import StrategyForm
from desktop.widgets.opening import edit_file, open_path
from desktop.widgets.undo import Undo
from engine.errors import InputError

Params = Mapping[str, Any]


class StrategyDesk(QObject):
    """Joins the form of strategies to their files. `overwrite(text, change)` changes the set-up so that it can be undone."""

    def __init__(
        self, context: Context, form: StrategyForm, overwrite: Callable[[str, Callable[[], object]], object]
    ) -> None:
        super().__init__(form)
        self._context, self._form, self._overwrite = context, form, overwrite
        self._ask, self._strategies = context.bridge.ask, context.bridge.engine.strategies
        form.new_wanted.connect(self.make)
        form.edit_wanted.connect(self.edit)
        form.source_wanted.connect(self.show_source)
        form.folder_wanted.connect(self.open_folder)
        form.focus_changed.connect(self._focus_changed)
        form.presets.chosen.connect(self.use_preset)
        form.presets.save_wanted.connect(self.save_preset)
        form.presets.delete_wanted.connect(self.delete_preset)

    # -- files -------------------------------------------------------------------------------------------------------

    def make(self, name: str) -> None:
        """Write a new strategy; it is in the list as soon as its file is seen, and in focus."""

        def new() -> Path | str:
            try:
                return self._strategies.new(name)
            except InputError as error:
                return str(error)

        def made(path: Path | str) -> None:
            if isinstance(path, str):
                self._form.naming.refuse(path)
                return
            self._form.naming.hide()
            self._form.focus_when_there(name)
            self._form.reload_wanted.emit()
            self._context.said.emit(f"{path} written")

        self._ask(new, made)

    def edit(self, name: str) -> None:
        """Open a strategy's file in an editor."""
        info = self._form.infos.get(name)
        if info is None:
            return
        if edit_file(Path(info.path)):
            self._context.said.emit(f"Opening {info.path}")
        else:
            self._context.reported.emit(
                "warning",
                f"No editor was found for {info.path}; set VISUAL to one, or open the file yourself: what is saved is "
                "read at once",
                "",
            )

    def open_folder(self) -> None:
        """Show the folder of the user's strategies."""
        folder = self._context.bridge.engine.settings.user_strategies
        folder.mkdir(parents=True, exist_ok=True)
        if open_path(folder):
            self._context.said.emit(f"Opening {folder}")
        else:
            self._context.reported.emit("info", f"Your strategies are in {folder}", "")

    def show_source(self, name: str) -> None:
        """Show what a strategy's file says."""
        info = self._form.infos.get(name)
        if info is not None:
            self._ask(
                lambda: self._strategies.source(Path(info.path)),
                lambda text: self._form.show_source(self._form.infos.get(name, info), text),
            )

    def follow_source(self) -> None:
        """The files were read again: what is shown of one follows it."""
        if self._form.source_window is not None and self._form.source_window.isVisible():
            self.show_source(self._form.source_window.strategy)

    # -- presets -----------------------------------------------------------------------------------------------------

    def _load_presets(self, name: str, shown: str = "") -> None:
        """Offer the presets of the strategy in focus."""

        def show(presets: Mapping[str, Params]) -> None:
            if self._form.focused() == name:
                self._form.presets.set_names(sorted(presets))
                self._form.presets.set_name(shown)

        self._ask(lambda: self._strategies.presets.of(name), show)

    def _focus_changed(self, name: str) -> None:
        self._form.presets.set_names(())
        self._load_presets(name)

    def use_preset(self, preset: str) -> None:
        """Give the strategy in focus the parameters of a preset; what it does not name becomes its default."""
        name = self._form.focused()

        def use(presets: Mapping[str, Params]) -> None:
            if preset in presets:
                self._overwrite(
                    f"{name} has the parameters of {preset} now",
                    lambda: self._form.set_params(name, presets[preset]),
                )

        self._ask(lambda: self._strategies.presets.of(name), use)

    def save_preset(self, preset: str) -> None:
        """Keep all parameters of the strategy in focus under a name; what had it can be brought back."""
        name = self._form.focused()
        self._change(name, preset, self._form.complete_params(name), "saved")

    def delete_preset(self, preset: str) -> None:
        """Forget a preset of the strategy in focus."""
        self._change(self._form.focused(), preset, None, "deleted")

    def _change(
        self, name: str, preset: str, params: Params | None, done: str, *, offer: bool = True
    ) -> None:
        """Put `params` (None: nothing) in the place of a preset, and offer to take that back."""
        presets = self._strategies.presets

        def change() -> Params | None:
            before = presets.of(name).get(preset)
            if params is None:
                presets.delete(name, preset)
            else:
                presets.save(name, preset, params)
            return before

        def changed(before: Params | None) -> None:
            self._load_presets(self._form.focused(), preset if params is not None else "")
            words = (
                f"The preset {preset} of {name} was {'overwritten' if before and params and offer else done}"
            )
            if before == params or not offer:
                self._context.said.emit(words)
                return
            back = "brought back" if before else "taken away again"
            self._context.undo_offered.emit(
                Undo(words, lambda: self._change(name, preset, before, back, offer=False))
            )

        self._ask(change, changed)
