"""Counting letters, vowels and words."""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, near

_SHORT = ("banana", "letter", "apple", "kitten", "pepper", "window", "cheese", "summer", "coffee", "bottle")
_LONG = (
    "strawberry",
    "mississippi",
    "bookkeeper",
    "committee",
    "successfully",
    "possession",
    "millennium",
    "accommodation",
    "uncharacteristically",
    "electroencephalograph",
    "internationalisation",
    "counterrevolutionary",
)
_SUBJECTS = ("The old gardener", "A small brown dog", "My neighbour", "Every student", "The tired captain")
_DEEDS = ("walked slowly", "waited for an hour", "sang a long song", "looked at the sky", "counted the ships")
_PLACES = ("by the river", "behind the red barn", "in the market square", "under a very tall tree", "at home")


def _draw_letter(rng: Random, level: float) -> Values:
    word = rng.choice(_SHORT if level < 0.3 else _LONG)
    return {"letter": rng.choice(word), "word": word}


def _work_letter(said: Values) -> Work:
    word, letter = said["word"].lower(), said["letter"].lower()
    n = word.count(letter)
    return Work(
        kind="counting",
        checker="number",
        truth=str(n),
        wrongs=tuple(str(each) for each in (n - 1 if n > 1 else n + 1, n + 1, n + 2)),
        difficulty=len(word) / 30 + 0.12 * n,
        steps=f"Spelling {'-'.join(word)} and ticking each {letter} gives {{answer}}.",
    )


def _draw_words(rng: Random, level: float) -> Values:
    parts = [f"{rng.choice(_SUBJECTS)} {rng.choice(_DEEDS)} {rng.choice(_PLACES)}" for _ in range(1 + int(3 * level))]
    return {"sentence": " and ".join(parts)}


def _work_words(said: Values) -> Work:
    n = len(said["sentence"].split())
    return Work(
        kind="counting",
        checker="number",
        truth=str(n),
        wrongs=near(n, n - 1),
        difficulty=n / 40,
        steps="Counting the words one by one gives {answer}.",
    )


def _draw_vowels(rng: Random, level: float) -> Values:
    return {"word": rng.choice(_SHORT if level < 0.3 else _LONG)}


def _work_vowels(said: Values) -> Work:
    word = said["word"].lower()
    n = sum(letter in "aeiou" for letter in word)
    return Work(
        kind="counting",
        checker="number",
        truth=str(n),
        wrongs=near(n, n + 1),
        difficulty=len(word) / 28,
        steps=f"The vowels of {word}, taken one by one, are {{answer}}.",
    )


PATTERNS = (
    Pattern(
        kind="counting",
        draw=_draw_letter,
        work=_work_letter,
        forms=forms(
            {"letter": r"[a-z]", "word": r"[a-z]+"},
            'How many times does the letter "{letter}" appear in "{word}"?',
            "How many {letter}'s are in the word {word}?",
            "Count the letter {letter} in {word}.",
            "How often does {letter} occur in the word '{word}'?",
        ),
    ),
    Pattern(
        kind="counting",
        draw=_draw_words,
        work=_work_words,
        forms=forms(
            {"sentence": r"[^\".?]+"},
            'How many words are in this sentence: "{sentence}."',
            'Count the words of the following sentence. "{sentence}."',
        ),
    ),
    Pattern(
        kind="counting",
        draw=_draw_vowels,
        work=_work_vowels,
        forms=forms(
            {"word": r"[a-z]+"},
            "How many vowels (a, e, i, o, u) does the word {word} have?",
            "Count the vowels a, e, i, o and u in '{word}'.",
        ),
    ),
)
