"""Twelve tasks end to end: the real command, a scripted model, a sandbox of the bundled API and its request log."""

from __future__ import annotations

from pathlib import Path

from tests.agent.task_stage import ADS, Protocol, stage
from tests.agent.tasks import (
    TASKS,
    Task,
    busy_servers,
    cut_answers,
    dropped_streams,
    failed_post,
    filtered_list,
    pause_by_name,
)
from tests.tables import table

BY_CHAT = (filtered_list, pause_by_name, dropped_streams, busy_servers, cut_answers, failed_post)


def named(task: Task) -> str:
    return task.__name__


@table("task", TASKS, ids=named)
def test_a_task_by_the_messages_api(task: Task, tmp_path: Path) -> None:
    with stage(ADS, Protocol.MESSAGES, tmp_path) as opened:
        task(opened)


@table("task", BY_CHAT, ids=named)
def test_a_task_by_chat_completions(task: Task, tmp_path: Path) -> None:
    with stage(ADS, Protocol.CHAT, tmp_path) as opened:
        task(opened)
