"""Greetings, thanks and farewells in some twenty languages, and the courtesies around a question."""

import re

GREETING_CHARS = 120
"""A greeting is no longer than this."""

_HELLO = "|".join(
    (
        # English, with the small talk that belongs to it
        r"h(?:i+|ey+|iya|owdy|ello+)|yo|sup|greetings|welcome(?: back)?|good (?:morning|afternoon|evening|day|night)",
        r"(?:many )?thanks?(?: you)?(?: so much| very much| a lot| a million| again)?|thx|ty|cheers|much appreciated",
        r"(?:good)?bye(?: bye| for now)?|see (?:you|ya)(?: later| soon| tomorrow| around)?|take care|later"
        r"|farewell|(?:morning|afternoon|evening|night)",
        r"talk to you (?:later|soon)|have a (?:nice|good|great|lovely) (?:day|evening|night|weekend|one)",
        r"(?:what'?s|what is) (?:up|new)|how'?s (?:it going|everything|life|your day)(?: going)?|how do you do",
        r"how (?:are|r) (?:you|u|things)(?: all)?(?: doing)?(?: today)?|how have you been|long time no see",
        r"(?:it'?s )?(?:nice|good|great|lovely|pleased) to (?:meet|see) you(?: too| again)?|happy to be here",
        r"(?:i )?hope (?:you(?:'re| are)|all is|this finds you) (?:doing )?well|are you there|anyone there|you there",
        r"can i ask you (?:something|a question)|i have a (?:quick )?question(?: for you)?|ok(?:ay)?|great|perfect",
        r"awesome|cool|nice|lovely|wonderful|got it|no worries|you(?:'re| are) welcome|sounds good|(?:happy|merry) "
        r"(?:new year|christmas|holidays|friday|monday|easter)",
        # German, Dutch, the north
        r"hallo(?:chen)?|guten? (?:tag|morgen|abend|nacht)|moin(?: moin)?|servus|grüß(?: gott| dich)|grüezi|danke"
        r"(?: schön| sehr| dir| ihnen)?|vielen dank|tschüss?|auf wiedersehen|bis (?:bald|später|morgen)|wie geht'?s"
        r"(?: dir| ihnen)?|wie geht es (?:dir|ihnen)(?: heute)?|hoi|goede(?:morgen|middag|navond|ndag)|dank (?:je|u)"
        r"(?: wel)?|bedankt|tot ziens|hoe gaat het|hej(?: hej)?|hei|moi|god (?:morgon|morgen|dag|kväll|kveld|aften)"
        r"|tack(?: så mycket)?|tak|takk|kiitos|hejdå|hur mår du|hyvää (?:huomenta|päivää|iltaa)",
        # French, Spanish, Italian, Portuguese, Romanian
        r"bonjour|salut|coucou|bonsoir|bonne (?:nuit|journée|soirée)|merci(?: beaucoup| bien)?|au revoir|à bientôt"
        r"|(?:comment )?ça va(?: bien)?|comment (?:allez-vous|vas-tu)|enchantée?|hola|buen[oa]s(?: días| dias| tardes"
        r"| noches)?|buen día|(?:muchas )?gracias|adiós|adios|hasta (?:luego|pronto|mañana)|qué tal|que tal"
        r"|cómo estás?"
        r"|como estas?|ciao|salve|buon(?:giorno|asera|anotte)|(?:mille )?grazie(?: mille)?|arrivederci"
        r"|come (?:stai|va)"
        r"|ol[áa]|oi|bo[am] (?:dia|tarde|noite)|(?:muito )?obrigad[oa]|tchau|até (?:logo|amanhã)|tudo bem|como vai"
        r"|bun[ăa](?: ziua| dimineața| seara)?|mulțumesc|la revedere",
        # Slavic, Hungarian, Turkish, Greek
        r"ahoj|čau|dobr[ýé] (?:den|ráno|večer|deň)|děkuj[iu]|díky|ďakujem|na shledanou|jak se máš|cześć|hejka"
        r"|dzień dobry|dobry wieczór|dziękuję|dzięki|do widzenia|jak się masz|zdravo|dobar dan|hvala"
        r"|привет(?:ик|ствую)?|здравствуй(?:те)?|доброе утро|добрый (?:день|вечер)|доброй ночи"
        r"|(?:большое )?спасибо(?: большое)?|пока"
        r"|до свидания|как дела|привіт|добрий день|доброго (?:ранку|дня)|дякую|szia|sziasztok"
        r"|jó (?:napot|reggelt|estét)(?: kívánok)?|köszönöm|merhaba|selam|günaydın|iyi (?:günler|akşamlar)"
        r"|teşekkür(?:ler| ederim)|nasılsın(?:ız)?"
        r"|γει(?:α|ά)(?: σου| σας)?|καλημέρα|καλησπέρα|ευχαριστώ(?: πολύ)?",
        # Africa and Asia
        r"jambo|habari|asante(?: sana)?|مرحب[اًا]*|أهلا(?: وسهلا)?|السلام عليكم|صباح الخير|مساء الخير|شكر[اًا]*"
        r"|كيف حالك"
        r"|שלום|בוקר טוב|ערב טוב|תודה(?: רבה)?|מה נשמע|سلام|नमस्ते|नमस्कार|धन्यवाद|शुक्रिया|आप कैसे हैं|halo|hai"
        r"|selamat (?:pagi|siang|sore|malam)|terima kasih(?: banyak)?|apa kabar|xin chào|chào bạn|cảm ơn(?: bạn)?"
        r"|สวัสดี(?:ครับ|ค่ะ)?|ขอบคุณ(?:ครับ|ค่ะ)?|你好(?:吗|呀|啊)?|您好|大家好|早上好|早安|下午好|晚上好|晚安|谢谢(?:你|您)?"
        r"|多谢|再见|こんにちは|こんばんは|おはよう(?:ございます)?|はじめまして|(?:どうも)?ありがとう(?:ございます)?|お元気ですか"
        r"|元気ですか|さようなら|안녕(?:하세요|히 가세요)?|반갑습니다|감사합니다|고마워요?|잘 지내(?:세요|요)?",
    )
)
_FILL = (
    r"there|all|everyone|everybody|folks|again|(?:my )?(?:dear |good )?friends?|team|buddy|mate|assistant|bot|and"
    r"|to you|today|for (?:your|the) (?:help|time)|(?:just )?(?:saying|wanted to say|say)|for that|dear|world"
    r"|so|well|then|from me|à tou(?:s|tes)"
    r"|a tod[oa]s|a tutti|zusammen|allemaal|všem|всем"
)
_GAP = r"[\s,.!?;:)(~…'\"¿¡！？。，、؟-]*+"
_UNIT = rf"(?>(?:{_HELLO}|{_FILL})(?!\w)){_GAP}"
_NAME = rf"(?-i:[A-Z][a-z]{{1,11}}){_GAP}"
_GREETING = re.compile(rf"{_GAP}(?:{_UNIT})++(?:{_NAME})?+(?:{_UNIT})*+", re.IGNORECASE)
_STARTS = re.compile(rf"{_GAP}(?:{_HELLO})(?!\w)", re.IGNORECASE)
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d]")

_BEFORE = re.compile(
    rf"\s*+(?:(?>(?:{_HELLO})(?: there| all| everyone)?)[,.!?:;\n]++\s*+)*+"
    r"(?:(?:(?:i have a |a )?(?:quick|simple|short|small) question|question|(?:could|can|would) you (?:please )?"
    r"(?:help me(?: out)?(?: with (?:this|something))?|tell me)|i (?:was|am) wondering|i need (?:some"
    r"|your) help|please|excuse me"
    r"|sorry to bother you)[\s,.!?:;-]++)*+",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:[\s,.!?;-]+(?:thanks?(?: you)?(?: so much| very much| a lot| in advance)?|please|cheers|just (?:give me )?"
    r"(?:the|an) (?:final )?(?:answer|result|number)(?:,? please)?|(?:answer |be )?(?:brief|concise"
    r"|briefly)))[\s.!]*$",
    re.IGNORECASE,
)


def is_greeting(text: str) -> bool:
    """Whether ``text`` is nothing but greetings, thanks, small talk of that kind, or emoji."""
    plain = _EMOJI.sub("", text).strip()
    if not plain:
        return bool(text.strip())
    return len(plain) <= GREETING_CHARS and bool(_STARTS.match(plain)) and _GREETING.fullmatch(plain) is not None


def without_courtesies(text: str) -> str:
    """``text`` without a greeting or a polite phrase before it and thanks after it."""
    opening = _BEFORE.match(text)
    rest = text[opening.end() :] if opening else text
    ending = _AFTER.search(rest[-60:])
    return (rest[: len(rest) - len(rest[-60:]) + ending.start()] if ending else rest).strip()
