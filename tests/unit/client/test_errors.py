"""The client's tree of errors and the server's are one: the same codes, the same branches."""

from __future__ import annotations

import pytest

from hippod import errors as server
from hippod_client import errors as client


def tree(base: type[Exception]) -> dict[str, str]:
    """Class name -> name of its parent, for all below `base`."""
    found: dict[str, str] = {}
    for child in base.__subclasses__():
        found[child.__name__] = base.__name__
        found |= tree(child)
    return found


LOCAL = {"JobFailed", "ConnectionLost", "ClientTimeout", "ProtocolError"}


def test_the_trees_are_the_same_but_for_what_only_a_client_can_meet() -> None:
    theirs = tree(client.HippodError)
    assert {name: parent for name, parent in theirs.items() if name not in LOCAL} == tree(server.HippodError)
    assert theirs.keys() >= LOCAL


@pytest.mark.parametrize("name", sorted(tree(server.HippodError)))
def test_an_error_arrives_as_the_class_of_its_name(name: str) -> None:
    sent = getattr(server, name)
    received = client.server_error(sent.code, "what happened", {"limit": 3})
    assert type(received).__name__ == name
    assert (received.code, received.message, received.details, str(received)) == (sent.code, "what happened", {"limit": 3}, "what happened")
    assert received.outcome_unknown == (name == "UnknownOutcome")


def test_codes_are_unique() -> None:
    names = tree(server.HippodError)
    assert len({getattr(server, name).code for name in names}) == len(names)
    assert len({getattr(client, name).code for name in tree(client.HippodError)}) == len(names) + len(LOCAL)


def test_a_code_of_a_newer_server_is_still_an_error() -> None:
    error = client.server_error("SOMETHING_NEW", "words", {})
    assert type(error) is client.HippodError
    assert (error.code, str(error)) == ("SOMETHING_NEW", "words")


def test_the_documented_tree_names_every_class() -> None:
    for module, base in ((client, client.HippodError), (server, server.HippodError)):
        for name in tree(base):
            assert name in (module.__doc__ or ""), name
