"""What is read from the engine's lines of a pull: progress in words, the disk that is still needed, signs of life."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox.pull_account import UNPACKED, PullAccount

MB = 1_000_000


def line(name, status, current=0, total=0, **more):
    detail = {"current": current, "total": total, **more} if current or total else {}
    return {"id": name, "status": status, "progressDetail": detail}


def told(*lines):
    account = PullAccount()
    for one in lines:
        account.take(one)
    return account


def test_nothing_is_said_before_there_is_something_to_say():
    assert told().words() == ""
    assert told(line("latest", "Pulling from library/python"), line("a", "Already exists")).words() == ""
    assert told(line("a", "Pulling fs layer"), line("b", "Waiting")).words() == ""


def test_a_pull_from_its_first_layer_to_its_last():
    account = told(
        line("a", "Already exists"),
        line("b", "Pulling fs layer"),
        line("c", "Pulling fs layer"),
        line("b", "Downloading", 10 * MB, 40 * MB),
    )
    assert account.words() == "10 of 40 MB, 1 of 3 layers"
    assert account.needed == 30 * MB + UNPACKED * 40 * MB
    account.take(line("c", "Downloading", 60 * MB, 60 * MB))
    assert account.words() == "70 of 100 MB, 1 of 3 layers"
    account.take(line("b", "Download complete"))
    account.take(line("c", "Extracting", 30 * MB, 60 * MB))
    assert account.words() == "unpacking, 1 of 3 layers"
    assert account.needed == UNPACKED * (40 + 30) * MB
    account.take(line("b", "Pull complete"))
    account.take(line("c", "Pull complete"))
    assert account.words() == "unpacking, 3 of 3 layers" and account.needed == 0
    account.take({"status": "Digest: sha256:abc"})
    account.take({"status": "Status: Downloaded newer image for x:1"})
    assert account.words() == "unpacking, 3 of 3 layers"


def test_a_store_that_unpacks_in_seconds_does_not_confuse_it():
    account = told(line("a", "Downloading", MB, MB), line("a", "Extracting", 7, 0, units="s"))
    assert account.needed == UNPACKED * MB and account.words() == "unpacking, 0 of 1 layers"


def test_a_download_that_starts_again_needs_its_disk_again():
    account = told(line("a", "Downloading", 5 * MB, 10 * MB), line("a", "Retrying in 5 seconds"))
    account.take(line("a", "Downloading", 1 * MB, 10 * MB))
    assert account.words() == "1 of 10 MB, 0 of 1 layers"


def test_only_what_moves_is_news():
    account = PullAccount()
    assert account.take(line("a", "Downloading", 5, 10))
    assert not account.take(line("a", "Downloading", 5, 10))
    assert account.take(line("b", "Waiting")) and not account.take(line("b", "Waiting"))
    assert account.take(line("a", "Downloading", 6, 10)) and account.take(line("a", "Retrying in 5 seconds"))
    assert account.take(line("a", "Retrying in 4 seconds"))


WORDS = ["Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting",
         "Pull complete", "Already exists", "Retrying in 3 seconds", "new words"]  # fmt: skip
NUMBERS = st.one_of(st.none(), st.integers(-1, 10**13))


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(WORDS), NUMBERS, NUMBERS)))
def test_whatever_the_engine_sends_the_sums_make_sense(lines):
    account = PullAccount()
    for name, status, current, total in lines:
        account.take({"id": name, "status": status, "progressDetail": {"current": current, "total": total}})
        assert account.needed >= 0 and "-" not in account.words()
