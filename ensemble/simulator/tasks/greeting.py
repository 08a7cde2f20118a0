"""Greetings, thanks and farewells, to be returned in kind and in their own language."""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

# What is said, the right reply, and how rarely a model hears it, in [0, 1].
_REPLIES: dict[str, tuple[str, float]] = {
    "Hello": ("Hello! How can I help you?", 0.01),
    "Hi": ("Hi! What can I do for you?", 0.01),
    "Hey there": ("Hey! What can I do for you?", 0.02),
    "Good morning": ("Good morning! How can I help you?", 0.01),
    "Good evening": ("Good evening! How can I help you?", 0.02),
    "Thanks a lot": ("You are welcome!", 0.01),
    "Thank you very much": ("You are most welcome!", 0.01),
    "Goodbye": ("Goodbye! Until next time.", 0.02),
    "See you tomorrow": ("See you tomorrow!", 0.04),
    "Guten Morgen": ("Guten Morgen! Wie kann ich helfen?", 0.04),
    "Danke schön": ("Gern geschehen!", 0.04),
    "Bonjour": ("Bonjour ! Comment puis-je aider ?", 0.03),
    "Merci beaucoup": ("Je vous en prie !", 0.04),
    "Hola": ("¡Hola! ¿En qué puedo ayudar?", 0.03),
    "Muchas gracias": ("¡De nada!", 0.04),
    "Buongiorno": ("Buongiorno! Come posso aiutare?", 0.06),
    "Dobrý den": ("Dobrý den! Jak mohu pomoci?", 0.1),
    "Dzień dobry": ("Dzień dobry! W czym mogę pomóc?", 0.1),
    "Привет": ("Привет! Чем могу помочь?", 0.07),
    "你好": ("你好！我能帮你什么？", 0.07),
    "こんにちは": ("こんにちは！どうしましたか。", 0.08),
}
_NAMES = ("Ann", "Boris", "Chen", "Dana", "Emre")


def _draw(rng: Random, level: float) -> Values:
    return {"said": rng.choice(sorted(_REPLIES)), "name": rng.choice(_NAMES)}


def _work(said: Values) -> Work:
    found = next((each for each in _REPLIES if each.lower() == said["said"].lower()), None)
    if found is None:
        raise ValueError("no greeting that is known")
    reply, rare = _REPLIES[found]
    others = [other for other, _ in _REPLIES.values() if other != reply]
    at = len(found) + ord(found[0])
    return Work(
        kind="greeting",
        checker="text",
        truth=reply,
        # A weak model answers in another language, or thanks for a greeting.
        wrongs=(others[at % len(others)], others[7 * at % len(others)], "I am sorry, what is your question?"),
        difficulty=rare,
        spoken=True,
    )


PATTERNS = (
    Pattern(
        kind="greeting",
        draw=_draw,
        work=_work,
        whole=True,
        forms=forms(
            {"said": "|".join(_REPLIES), "name": "|".join(_NAMES)},
            "{said}",
            "{said}!",
            "{said}.",
            "{said} {name}!",
            "{said}, {name}",
            "{said} 🙂",
        ),
    ),
)
