"""From an exception to one sentence and an exit code. What is not named here is a bug of ours, with its traceback."""

from __future__ import annotations

USER_ERROR = 2
WORLD_FAILED = 3
INTERRUPTED = 130


def explain(error: BaseException) -> tuple[str, int] | None:
    """(sentence, exit code) for errors that a user or the world can cause, None for bugs."""
    from environments import (
        DatasetError,
        IssueError,
        NotSealed,
        PatchFails,
        RepositoryError,
        SetupFailed,
        WorldWrong,
    )
    from environments.building import BuildFailed, WrongRecipe
    from models import ModelError
    from sandbox import SandboxError, WrongRoot
    from selection import WrongWeights
    from store import NoSuchRun, RunBusy, StepChanged, StoreError

    from .batch_issues import NotResumable
    from .configuration import WrongConfiguration
    from .demo import DemoFailed
    from .export_errors import CannotExport
    from .figures_command import NoPlots
    from .grade_candidates import NothingToGrade
    from .grade_official import NoOfficial
    from .journaled_sandbox import WorldDrifted
    from .pipeline import WorldFailed
    from .select_errors import CannotFit, CannotSelect
    from .solving import CannotApply, Interrupted
    from .view.errors import CannotView
    from .worlds import NoBackend

    users = (
        DatasetError,
        IssueError,
        NotSealed,
        PatchFails,
        RepositoryError,
        SetupFailed,
        WorldWrong,
        StepChanged,
        RunBusy,
    )
    users += (NoSuchRun, NotResumable, WrongConfiguration, CannotApply, CannotExport, NoBackend, WrongRoot)
    users += (
        NoOfficial,
        NothingToGrade,
        CannotSelect,
        CannotFit,
        WrongWeights,
        WrongRecipe,
        CannotView,
        NoPlots,
    )
    if isinstance(error, Interrupted):
        return str(error), INTERRUPTED
    if isinstance(error, WorldDrifted | WorldFailed | DemoFailed | BuildFailed):
        return str(error), WORLD_FAILED
    if isinstance(error, users):
        return str(error), USER_ERROR
    if isinstance(error, ModelError):
        return str(error), USER_ERROR if error.fault == "user" else WORLD_FAILED
    if isinstance(error, SandboxError | StoreError | OSError):
        return str(error), WORLD_FAILED
    if isinstance(error, ExceptionGroup):
        return explain(error.exceptions[0])
    return None
