"""Prompts have an exact number of tokens by tokenizers of each family, which are trained here."""

from random import Random

import pytest

from harness.errors import UserError
from harness.wire.language.generation_options import GenerationOptions
from harness.wire.language.prompts.local_tokenizer import read_tokenizer
from harness.wire.language.prompts.prompt_vocabulary import find_vocabulary, local_words
from harness.wire.language.prompts.vocabulary import COMMON_WORDS
from harness.wire.server_url import parse_url
from tests.examples.http_service import JsonHandler, served_by

pytestmark = pytest.mark.process
tokenizers = pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
TEXT = [" ".join(Random(seed).choices(COMMON_WORDS, k=40)) for seed in range(400)]


def byte_pairs(folder):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=2000, special_tokens=["<|end|>"], show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder  # as models of Hugging Face have it


def word_pieces(folder):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = ["[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        TEXT, tokenizers.trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    path = folder / "wordpiece.json"
    tokenizer.save(str(path))
    return path


def sentence_pieces(folder):
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `tokenizers` is not installed")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=str(folder / "sp"), vocab_size=600, model_type="unigram",
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    return folder / "sp.model"


@pytest.fixture(params=[byte_pairs, word_pieces, sentence_pieces])
def tokenizer(request, tmp_path):
    return request.param(tmp_path)


def test_a_text_of_single_words_has_as_many_tokens_as_words(tokenizer):
    words, count = local_words(str(tokenizer)), read_tokenizer(tokenizer)
    assert len(words) > 100
    assert {count(" ".join(Random(seed).choices(words, k=512))) for seed in range(50)} == {512}


class Uncounted(JsonHandler):
    """A server that counts no tokens."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(200, {"choices": [{"text": "x", "finish_reason": "stop"}]})


def test_a_server_that_counts_nothing_gets_prompts_without_regard_to_its_template(tmp_path):
    path = str(byte_pairs(tmp_path))
    with served_by(Uncounted) as url:
        options = GenerationOptions(stream=False)
        found = find_vocabulary(parse_url(url), "openai", "m", options, path)
        with pytest.raises(UserError, match="does not count"):
            find_vocabulary(parse_url(url), "openai", "m", options)
    assert (found.template_tokens, found.system, set(found.words)) == (0, False, set(local_words(path)))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.json", None, "there is no such file"),
        ("bad.json", "{}", "no tokenizer that the package"),
        ("bad.model", "text", "no model of SentencePiece"),
        ("model.gguf", "GGUF", "leave --tokenizer out"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused_in_words(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=complaint):
        read_tokenizer(tmp_path / name)
