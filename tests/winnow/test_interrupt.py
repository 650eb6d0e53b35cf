"""Ctrl-C at an early moment: what a callback drops is answered where work begins."""

import asyncio
import os
import signal

import pytest

from winnow import interrupt
from winnow.solving import Interrupted, run_until_done


@pytest.fixture
def listening(monkeypatch):
    """As in a command's process; this process is given its own handler back."""
    monkeypatch.setattr(interrupt, "_noted", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.listen()
    yield
    signal.signal(signal.SIGINT, before)


class Careless:
    """Its end is a callback in which Python drops every exception."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_a_callback_drops_ends_the_work_that_begins_after_it(listening):
    Careless()
    told, begun = [], []

    async def work():
        begun.append(True)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        run_until_done(work, told.append)
    assert len(told) == 1 and told[0].startswith("stopping") and not begun


def test_without_one_work_goes_on_to_its_end(listening):
    async def work():
        return "done"

    assert run_until_done(work, print) == "done"


def test_it_is_a_keyboard_interrupt_as_ever(listening):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupt.noted()


def test_where_it_is_ignored_it_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupt.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
