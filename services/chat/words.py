"""What a visitor means by a few words: a greeting, or the wish to talk to a person.

Phrases are matched as a whole in the message, letters folded, in every language at once:
visitors do not always write in the language they chose.
"""

import re
import unicodedata

LONGEST_GREETING = 30  # characters; beyond that something is asked

PERSON = (
    # en
    "talk to a human", "talk to a person", "talk to someone", "talk to an agent",
    "talk to a real person", "speak to a human", "speak to a person", "speak to someone",
    "speak to an agent", "speak with a human", "speak with a person", "speak with someone",
    "speak with an agent", "talk with a human", "talk with a person", "human agent",
    "human please", "real person", "real human", "live agent", "live person", "customer service representative",
    "chat with a human", "chat with a person", "need a human", "want a human", "contact a human",
    "speak to support", "talk to support", "agent please", "connect me to an agent", "human being",
    # es
    "hablar con una persona", "hablar con un humano", "hablar con un agente", "hablar con alguien",
    "persona real", "agente humano", "quiero un humano", "atencion humana",
    # de
    "mit einem menschen sprechen", "mit einem menschen reden", "mit einem mitarbeiter sprechen",
    "mit einer person sprechen", "mit jemandem sprechen", "echten menschen", "echter mensch",
    "menschlichen mitarbeiter", "mit einem menschen", "mit einem mitarbeiter",
    # fr
    "parler a une personne", "parler a un humain", "parler a quelqu'un", "parler a un agent",
    "parler avec une personne", "parler avec un humain", "parler avec quelqu'un", "vraie personne",
    "un conseiller", "agent humain",
    # pt
    "falar com uma pessoa", "falar com um humano", "falar com alguem", "falar com um atendente",
    "falar com um agente", "pessoa real", "atendente humano", "agente humano",
    # it
    "parlare con una persona", "parlare con un umano", "parlare con qualcuno",
    "parlare con un operatore", "persona reale", "operatore umano",
    # nl
    "met een mens spreken", "met een mens praten", "met een medewerker spreken",
    "met een medewerker praten", "met iemand spreken", "met iemand praten", "echt persoon",
    "echte persoon", "een echt mens", "spreken met een medewerker", "praten met een mens",
    # pl
    "rozmawiac z czlowiekiem", "porozmawiac z czlowiekiem", "z konsultantem", "z prawdziwa osoba",
    "polaczyc z czlowiekiem", "zywym czlowiekiem",
    # tr
    "bir insanla konusmak", "gercek bir kisi", "bir kisiyle konusmak", "temsilciyle gorusmek",
    "musteri temsilcisi", "insanla gorusmek", "yetkiliyle gorusmek", "gercek bir insan",
    # ru
    "поговорить с человеком", "живой человек", "живым человеком", "с оператором",
    "позовите оператора", "соедините с оператором", "нужен оператор", "нужен человек",
    # ar
    "التحدث مع شخص", "التحدث الى شخص", "اتحدث مع شخص", "اتحدث الى شخص", "التحدث مع موظف",
    "التحدث الى موظف", "موظف بشري", "شخص حقيقي", "خدمه العملاء", "التحدث مع انسان",
    # hi
    "इंसान से बात", "व्यक्ति से बात", "किसी से बात", "एजेंट से बात", "असली व्यक्ति", "प्रतिनिधि से बात",
    # zh
    "人工客服", "转人工", "转接人工", "真人", "和人说话", "找客服", "人工服务",
    # ja
    "担当者と話", "人間と話", "人と話し", "オペレーター", "担当者につない", "有人対応", "スタッフと話",
)  # fmt: skip

ALONE = {
    "human", "agent", "person", "humano", "agente", "mensch", "mitarbeiter", "humain", "conseiller",
    "atendente", "operatore", "umano", "medewerker", "konsultant", "czlowiek", "temsilci", "оператор",
    "человек", "موظف", "इंसान", "एजेंट", "人工", "客服", "真人", "担当者",
}  # fmt: skip

GREETINGS = {
    "hi", "hello", "hey", "hi there", "hello there", "good morning", "good afternoon",
    "good evening", "hola", "buenos dias", "buenas tardes", "buenas", "hallo", "guten tag", "moin",
    "guten morgen", "guten abend", "servus", "bonjour", "salut", "bonsoir", "coucou", "ola",
    "bom dia", "boa tarde", "boa noite", "oi", "ciao", "buongiorno", "buonasera", "salve", "hoi",
    "goedendag", "goedemorgen", "goedemiddag", "dag", "czesc", "dzien dobry", "hej", "witam",
    "merhaba", "selam", "gunaydin", "iyi gunler", "привет", "здравствуйте", "добрый день",
    "здравствуй", "مرحبا", "السلام عليكم", "اهلا", "नमस्ते", "नमस्कार", "हैलो", "你好", "您好", "嗨",
    "こんにちは", "もしもし", "おはよう", "おはようございます", "こんばんは", "hi all", "greetings",
}  # fmt: skip

# Said right before the wish, these turn it into something else.
_NEGATED = re.compile(
    r"\b(?:don'?t|do not|not|no|nicht|kein|keinen|ne|pas|nie|não|nao|non|niet|не)\b[^.!?]{0,25}$"
)


def fold(text: str) -> str:
    """Lower case, without accents or doubled spaces; quotes made plain."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'").replace("ı", "i"))
    keep = "".join(c for c in plain if not unicodedata.combining(c) or ord(c) > 0x0900)
    keep = keep.translate(_LETTERS)
    return " ".join(keep.split())


_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "ß": "ss", "ة": "ه", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي"}
)
_PHRASES = tuple(fold(phrase) for phrase in PERSON)
_ALONE = {fold(word) for word in ALONE}
_HELLO = {fold(word) for word in GREETINGS}


def wants_person(message: str) -> bool:
    """Whether the visitor asks for a human being."""
    said = fold(message)
    bare = said.strip(" .!?¡¿,。！？،؟")
    if bare in _ALONE:
        return True
    for phrase in _PHRASES:
        start = said.find(phrase)
        if start >= 0 and _is_whole(said, start, len(phrase)) and not _NEGATED.search(said[:start]):
            return True
    return False


def _is_whole(said: str, start: int, length: int) -> bool:
    """Not in the middle of a longer word, in scripts that put spaces between words."""
    before = said[start - 1] if start else " "
    after = said[start + length] if start + length < len(said) else " "
    if not said[start].isascii():
        return True
    return not before.isalnum() and not after.isalnum()


def is_greeting(message: str) -> bool:
    """Whether this is a greeting and nothing else."""
    if len(message) > LONGEST_GREETING:
        return False
    return fold(message).strip(" .!?¡¿,。！？،؟") in _HELLO
