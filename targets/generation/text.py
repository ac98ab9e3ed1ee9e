"""The training text (dialogues of the package chatterbot-corpus) and its tokenizer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SOURCE = "chatterbot-corpus, English (dialogues of two turns and more)"
PACKAGES = ("chatterbot_corpus", "yaml", "sentencepiece", "onnxruntime", "onnx")
USER, BOT = "<user>", "<bot>"  # control symbols, which no text encodes to
SPACE = "\u2581"  # how sentencepiece writes a space

Dialogue = tuple[str, ...]


def require_packages() -> None:
    """Raise UserError where a package of the extra `agent` is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"target agent: {', '.join(missing)} not installed; pip install 'sweepspot[agent]'")


def corpus_files() -> list[Path]:
    """The files of the corpus, found without importing it."""
    spec = find_spec("chatterbot_corpus")
    if spec is None or spec.origin is None:
        require_packages()
        return []
    return sorted((Path(spec.origin).parent / "data" / "english").glob("*.yml"))


def load_dialogues() -> list[Dialogue]:
    """Load the distinct dialogues (the corpus repeats some a hundred times) in a fixed order."""
    import yaml

    found: dict[Dialogue, None] = {}
    for file in corpus_files():
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for turns in document["conversations"]:
            found[tuple(" ".join(str(turn).split()) for turn in turns)] = None
    return [dialogue for dialogue in found if len(dialogue) > 1]


def train_tokenizer(dialogues: Iterable[Dialogue], vocabulary: int) -> bytes:
    """Train a byte-pair encoding (Sennrich et al. 2016), in the format of sentencepiece."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(turn for dialogue in dialogues for turn in dialogue),
        model_writer=model,
        vocab_size=vocabulary,
        model_type="bpe",
        control_symbols=[USER, BOT],
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


class Tokenizer:
    """Encodes text and conversations to tokens and decodes tokens; control symbols separate the turns."""

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._model = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.size = int(self._model.get_piece_size())
        self.end = int(self._model.eos_id())
        self._user, self._bot = (int(self._model.piece_to_id(mark)) for mark in (USER, BOT))
        self.non_text = (int(self._model.unk_id()), int(self._model.bos_id()), self._user, self._bot)
        self._texts = [self._text_of(token) for token in range(self.size)]

    def conversation(self, messages: Sequence[Message]) -> list[int]:
        """Encode a conversation, up to the control symbol after which the model continues."""
        tokens: list[int] = []
        for message in messages:
            mark = self._bot if message.role == "assistant" else self._user
            tokens += [mark, *self._model.encode(message.content)]
            if message.role == "assistant":
                tokens.append(self.end)
        return [*tokens, self._bot]

    def text(self, token: int) -> str:
        """The text of one token. A completion is the concatenated texts of its tokens."""
        return self._texts[token]

    def _text_of(self, token: int) -> str:
        if self._model.is_control(token) or self._model.is_unknown(token):
            return ""
        return str(self._model.id_to_piece(token)).replace(SPACE, " ")
