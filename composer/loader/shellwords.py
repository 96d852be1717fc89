"""A command written as one text, split into words as docker compose splits it. No shell runs it: nothing is expanded.

Quotes, backslashes, backticks and `$(…)` keep what is between them together; backticks and `$(…)` stay in the word as
they are. An unquoted `;`, `&`, `|`, `<` or `>` ends the command, and what follows is never seen by anybody.
"""

from __future__ import annotations

from composer.frozen import field, mutable
from composer.model.scalars import Unreadable

_ENDS = frozenset(";&|<>")
_SPACES = frozenset(" \t\r\n")
_ESCAPES = {"n": "\n", "t": "\t"}


@mutable
class Words:
    """What a text was split into; `unread` is where the command ended before the text did."""

    words: list[str] = field(default_factory=list)
    unread: str = ""


@mutable
class _Splitter:
    text: str
    found: Words = field(default_factory=Words)
    word: str = ""
    quoted: bool = False  # the word has quotes, and so is one even where it is empty
    inside: str = ""  # the quote that is open: ' " ` or $ for $(…)

    def split(self) -> Words:
        position = 0
        while position < len(self.text):
            letter = self.text[position]
            if letter == "\\" and self.inside != "'":
                self._escaped(self.text[position + 1 : position + 2])
                position += 2
                continue
            if not self.inside and letter in _ENDS:
                self._end(position)
                return self.found
            self._letter(letter)
            position += 1
        if self.inside:
            raise self._unclosed()
        self._finish_word()
        return self.found

    def _escaped(self, letter: str) -> None:
        if not letter:
            raise Unreadable(f"nothing follows the last backslash in the command: {self.text}", hint="remove it")
        self.word += _ESCAPES.get(letter, letter)

    def _letter(self, letter: str) -> None:
        match letter, self.inside:
            case "'" | '"', inside if inside in ("", letter):
                self.inside, self.quoted = ("" if inside else letter), True
            case "`", "" | "`":
                self.inside = "" if self.inside else "`"
                self.word += letter
            case "(", "" if self.word.endswith("$"):
                self.inside = "$"
                self.word += letter
            case ")", "$":
                self.inside = ""
                self.word += letter
            case "(" | ")", "":
                raise Unreadable(f'"{letter}" stands alone in the command: {self.text}', hint=_SHELL)
            case _, "" if letter in _SPACES:
                self._finish_word()
            case _:
                self.word += letter

    def _end(self, position: int) -> None:
        if self.text[position] == ">" and self.word.isascii() and self.word.isdecimal():
            self.word = ""  # 2> names a descriptor
        self._finish_word()
        self.found.unread = self.text[position:]

    def _finish_word(self) -> None:
        if self.word or self.quoted:
            self.found.words.append(self.word)
        self.word, self.quoted = "", False

    def _unclosed(self) -> Unreadable:
        if self.inside == "$":
            return Unreadable(f'"$(" is not closed in the command: {self.text}', hint=_SHELL)
        hint = f"write {self.inside} behind it, or write a list"
        return Unreadable(f"a quote is not closed in the command: {self.text}", hint=hint)


_SHELL = 'no shell runs it; write [sh, -c, "…"] where one is needed'


def split_words(text: str) -> Words:
    """Raises Unreadable where a quote is not closed."""
    return _Splitter(text).split()
