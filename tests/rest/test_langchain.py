"""LangChain's adapter for Hippo, as it is published."""

from __future__ import annotations

import warnings

import pytest

from hippod.testing import ServerProcess

with warnings.catch_warnings():
    # It announces its end of life at import.
    warnings.simplefilter("ignore")
    from langchain_community.vectorstores.hippo import Hippo

# Its connections are left to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Letters:
    """Embeds a text by how often each letter, modulo 8, is in it."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(sum(ord(letter) % 8 == place for letter in text)) for place in range(8)]


def test_texts_are_stored_found_added_and_dropped(shared_server: ServerProcess) -> None:
    where = {"host": shared_server.host, "port": str(shared_server.rest_port), "username": "shiva", "password": "shiva"}
    fruit = {"table_name": "langchain", "connection_args": where}
    store = Hippo.from_texts(
        ["apple", "banana", "cherry"], Letters(), [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}], drop_old=True, **fruit
    )
    (found,) = store.similarity_search("apple", k=1)
    assert (found.page_content, found.metadata) == ("apple", {"kind": "a"})
    (best, score), (_, second) = store.similarity_search_with_score("banana", k=2)
    assert (best.page_content, score) == ("banana", 0.0)
    assert second > score
    store.add_texts(["damson"], [{"kind": "d"}])
    assert store.similarity_search("damson", k=1)[0].page_content == "damson"
    assert len(Hippo(Letters(), **fruit).similarity_search("apple", k=10)) == 4
    afresh = Hippo.from_texts(["elder"], Letters(), [{"kind": "e"}], drop_old=True, **fruit)
    assert [document.page_content for document in afresh.similarity_search("apple", k=10)] == ["elder"]
