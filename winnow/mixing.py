"""Mixtures from the configuration's side: what a member's settings are, and what members achieved in a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.ways.archon import ArchonSettings, LayerSettings
from agent.ways.mixture import MemberSettings, MixtureSettings
from selection import Evidence, worth
from store import ResultRow, Store

from .configuration import Configuration, WrongConfiguration, nearest, sentence_on
from .windows import window_settings

MIND = "mind"
"""The kind of results that say which member of a mixture answered in a trajectory, by the trajectory's name."""

RECORD = "members"
"""The kind of results that say what the members of a mixture achieved on an issue."""

SECTIONS = {"codemonkeys": "attempt", "tools": "tools", "samples": "patches"}
"""By agent, which is also the name of the way that makes all attempts by it: the section with its settings."""

NAMED_BY_LAYERS = ("archon",)
"""Ways that do not share attempts out among the members, but whose settings say which member does what."""


def members_of(configuration: Configuration) -> tuple[MemberSettings, ...]:
    """The members of the mixture, whose settings are right. Raises WrongConfiguration."""
    members = configuration.mixture.members
    names = [member.name for member in members]
    for i, layer in enumerate(configuration.archon.layers, 1):
        if layer.member and layer.member not in names:
            hint = nearest(layer.member, names) if names else "it has none"
            raise WrongConfiguration(
                f"archon: layer {i} names {layer.member!r}, who is no member of the mixture; {hint}"
            )
    if members and configuration.way not in NAMED_BY_LAYERS:
        if configuration.way not in SECTIONS:
            raise WrongConfiguration(
                f"the way {configuration.way!r} takes one model: name one, or mix with a preset whose way is one of "
                + ", ".join(SECTIONS)
            )
        if configuration.mixture.by == "bandit" and configuration.attempts == "auto":
            raise WrongConfiguration(
                "attempts cannot be auto where a bandit shares them out: say a number, or mixture.by=share"
            )
        for member in members:
            settings_of(configuration, member)
    return members


def agent_of(configuration: Configuration, member: MemberSettings) -> str:
    """How a member makes an attempt, a key of SECTIONS."""
    return member.agent or configuration.way


def settings_of(configuration: Configuration, member: MemberSettings, turn: int = 0) -> BaseModel:
    """The settings of a member's attempts at the temperature at this place of its list. Raises WrongConfiguration.

    Later ones win: the run's section of its agent, what follows from the window of its model, its own.
    """
    section = SECTIONS[agent_of(configuration, member)]
    base: BaseModel = getattr(configuration, section)
    window = window_settings(member.model, None).get(section, {}) if member.model else {}
    own: dict[str, Any] = dict(member.settings)
    if member.temperatures:
        own["temperatures"] = (member.temperatures[turn],)
    try:
        return type(base).model_validate({**base.model_dump(), **window, **own})
    except ValidationError as error:
        raise WrongConfiguration(f"mixture, {member.name}: {sentence_on(error, type(base))}") from None


def alone(configuration: Configuration) -> Configuration:
    """The configuration for weighing what was made: the run's model is asked, and no member."""
    return configuration.model_copy(update={"mixture": MixtureSettings(), "archon": ArchonSettings()})


def settings_in_layer(configuration: Configuration, layer: LayerSettings) -> BaseModel:
    """The settings of the attempts that a layer of archon generates."""
    if layer.member:
        member = next(m for m in configuration.mixture.members if m.name == layer.member)
        own = member.settings if member.agent == layer.agent else {}
        return settings_of(
            configuration,
            member.model_copy(
                update={"agent": layer.agent, "temperatures": (layer.temperature,), "settings": own}
            ),
        )
    base: BaseModel = getattr(configuration, SECTIONS[layer.agent])
    return base.model_copy(update={"temperatures": (layer.temperature,)})


def said_models(models: Sequence[str] | None, **others: Any) -> dict[str, Any]:
    """What `--model`, said once or more, means for the configuration: one model, or a mixture of several by share.

    "NAME=0.3" is a share beside the others'; without one it is 1. The first also answers what is no attempt. others: of
    the section model; address and price go for every one.
    """
    if not models or len(models) == 1:
        return {"model": {"name": models[0] if models else None, **others}}
    for_all = {"api_base": others.get("api_base"), "price": others.get("price")}
    members = [{**_with_share(model), **for_all} for model in models]
    return {"model": {"name": members[0]["model"], **others}, "mixture": {"members": members}}


def sound_in(evidence: Evidence) -> tuple[str, ...]:
    """The candidates that nothing speaks against, by Winnow's own rule (selection.worth), whatever the strategy."""
    return tuple(candidate.id for candidate in evidence.candidates if worth(candidate, evidence)[0])


def record_in(evidence: Evidence, minds: Iterable[ResultRow]) -> str:
    """JSON: by member, how many of its candidates of an issue nothing speaks against, and how many others there are."""
    sound, there = sound_in(evidence), {candidate.id for candidate in evidence.candidates}
    record: dict[str, tuple[int, int]] = {}
    for row in minds:
        if row.name in there:
            good, bad = record.get(member := str(json.loads(row.body)["member"]), (0, 0))
            record[member] = (good + (row.name in sound), bad + (row.name not in sound))
    return json.dumps(record)


def record_of(store: Store, run: str) -> dict[str, tuple[int, int]]:
    """The records of all issues of the run that are done, added up."""
    record: dict[str, tuple[int, int]] = {}
    for row in store.each_result(run, RECORD):
        for member, (good, bad) in json.loads(row.body).items():
            before = record.get(member, (0, 0))
            record[member] = (before[0] + good, before[1] + bad)
    return record


def _with_share(model: str) -> Mapping[str, Any]:
    name, equals, share = model.rpartition("=")
    try:
        return {"model": name, "share": float(share)} if equals and name else {"model": model}
    except ValueError:
        return {"model": model}
