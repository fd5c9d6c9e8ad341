"""The wish to talk to a person, in the visitor's words.

Phrases are matched as a whole in the message, letters folded, in every language at once:
visitors do not always write in the language they chose.
"""

import re
import unicodedata

PERSON = (
    # en
    "talk to a human", "talk to a person", "talk to someone", "talk to an agent",
    "talk to a real person", "speak to a human", "speak to a person", "speak to someone",
    "speak to an agent", "speak with a human", "speak with a person", "speak with someone",
    "speak with an agent", "talk with a human", "talk with a person", "human agent",
    "human please", "live agent", "live person", "talk to a representative", "speak to a representative",
    "speak with a representative", "talk to a real human", "speak to a real person",
    "talk to customer service", "speak to customer service", "get me a human", "want a real person",
    "need a real person", "want to talk to support", "put me through to a person",
    "chat with a human", "chat with a person", "need a human", "want a human", "contact a human",
    "speak to support", "talk to support", "agent please", "connect me to an agent",
    "connect me to a human", "talk to a human being", "speak to a human being",
    # es
    "hablar con una persona", "hablar con un humano", "hablar con un agente", "hablar con alguien",
    "hablar con una persona real", "agente humano", "quiero un humano", "atencion humana",
    "quiero una persona",  "hablar con soporte", "pasame con",
    # de
    "mit einem menschen sprechen", "mit einem menschen reden", "mit einem mitarbeiter sprechen",
    "mit einer person sprechen", "mit jemandem sprechen", "mit jemandem reden",
    "mit einem echten menschen", "menschlichen mitarbeiter", "mit einem menschen",
    "mit einem mitarbeiter", "mit einer mitarbeiterin", "mit dem support sprechen",
    # fr
    "parler a une personne", "parler a un humain", "parler a quelqu'un", "parler a un agent",
    "parler avec une personne", "parler avec un humain", "parler avec quelqu'un",
    "parler a une vraie personne", "parler a un conseiller", "parler avec un conseiller",
    "parler a une conseillere", "joindre un conseiller", "agent humain",
    # pt
    "falar com uma pessoa", "falar com um humano", "falar com alguem", "falar com um atendente",
    "falar com um agente", "falar com uma pessoa real", "atendente humano", "agente humano",
    "falar com o suporte", "quero um atendente",
    # it
    "parlare con una persona", "parlare con un umano", "parlare con qualcuno",
    "parlare con un operatore", "parlare con una persona reale", "operatore umano",
    "voglio un operatore",
    # nl
    "met een mens spreken", "met een mens praten", "met een medewerker spreken",
    "met een medewerker praten", "met iemand spreken", "met iemand praten",
    "met een echt persoon", "met een echt mens", "met een echte persoon",
    "spreken met een medewerker", "praten met een mens", "praten met een medewerker",
    "spreken met een mens",
    # pl
    "rozmawiac z czlowiekiem", "porozmawiac z czlowiekiem", "rozmawiac z konsultantem",
    "porozmawiac z konsultantem", "rozmawiac z prawdziwa osoba", "polaczyc z czlowiekiem",
    "polaczyc z konsultantem", "polacz mnie z", "z zywym czlowiekiem",
    # tr
    "bir insanla konusmak", "bir kisiyle konusmak", "temsilciyle gorusmek",
    "temsilcisiyle gorusmek", "temsilcisiyle konusmak", "temsilciye baglan", "insanla gorusmek",
    "yetkiliyle gorusmek", "gercek bir insanla", "gercek bir kisiyle", "biriyle konusmak",
    # ru
    "поговорить с человеком", "с живым человеком", "поговорить с оператором",
    "связаться с оператором", "позовите оператора", "соедините с оператором",
    "соедините меня с", "нужен оператор", "нужен человек", "поговорить с сотрудником",
    "поговорить с менеджером",
    # ar
    "التحدث مع شخص", "التحدث الى شخص", "اتحدث مع شخص", "اتحدث الى شخص", "التحدث مع موظف",
    "التحدث الى موظف", "اتحدث مع موظف", "اتحدث الى موظف", "موظف بشري", "مع شخص حقيقي",
    "التحدث مع خدمه العملاء", "التحدث الى خدمه العملاء", "التحدث مع انسان", "اكلم موظف",
    # hi
    "इंसान से बात", "व्यक्ति से बात", "किसी से बात", "एजेंट से बात", "प्रतिनिधि से बात",
    "कर्मचारी से बात",
    # zh
    "转人工", "转接人工", "真人客服", "和真人", "跟真人", "和人说话", "找客服", "找人工",
    "人工客服谈", "人工客服聊", "要人工", "联系人工", "接人工",
    # ja
    "担当者と話", "人間と話", "人と話し", "オペレーターと話", "オペレーターにつない",
    "オペレーターに繋", "担当者につない", "担当者に繋", "スタッフと話", "有人対応に",
)  # fmt: skip

ALONE = {
    "human", "agent", "person", "humano", "agente", "mensch", "mitarbeiter", "humain", "conseiller",
    "atendente", "operatore", "umano", "medewerker", "konsultant", "czlowiek", "temsilci", "оператор",
    "человек", "موظف", "इंसान", "एजेंट", "人工", "客服", "人工客服", "人工服务", "真人", "担当者",
    "オペレーター", "representative", "real person", "persona", "persona real", "operador",
    "ein mensch", "un conseiller", "un humain", "pessoa", "persona reale", "mens", "czlowieka",
    "konsultanta", "insan", "musteri temsilcisi", "живой человек", "оператора", "خدمه العملاء",
    "customer service", "live chat", "有人対応",
}  # fmt: skip

# Said right before the wish, these turn it into something else: "I don't want to talk to …".
_NEGATED = re.compile(
    r"\b(?:don'?t|do not|not|no|nicht|keinen?|pas|nao|non|niet|nie|не)"
    r"(?: (?:want|need|wish|like|have|to|a|with|the|quiero|necesito|deseo|quero|preciso|voglio|wil"
    r"|ik|chce|potrzebuje|de|besoin|хочу|надо|нужен|нужно))*\s*$"
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
_SPACED = "\u052f"  # Latin, Greek, Cyrillic; Arabic writes articles and prepositions onto words
_PHRASES = tuple(fold(phrase) for phrase in PERSON)
_ALONE = {fold(word) for word in ALONE}


def wants_person(message: str) -> bool:
    """Whether the visitor asks for a human being."""
    said = fold(message)
    bare = said.strip(" .!?¡¿,;:。！？،؟।")
    if bare in _ALONE:
        return True
    for phrase in _PHRASES:
        start = said.find(phrase)
        if start >= 0 and _is_whole(said, start, len(phrase)) and not _NEGATED.search(said[:start]):
            return True
    return False


def mentions(message: str, phrase: str) -> bool:
    """Whether a phrase stands in a message, as whole words where there are any."""
    said, wanted = fold(message), fold(phrase)
    start = said.find(wanted) if wanted else -1
    while start >= 0:
        if _is_whole(said, start, len(wanted)):
            return True
        start = said.find(wanted, start + 1)
    return False


def _is_whole(said: str, start: int, length: int) -> bool:
    """Not in the middle of a longer word, in scripts that put spaces around words."""
    before = said[start - 1] if start else " "
    after = said[start + length] if start + length < len(said) else " "
    if said[start] > _SPACED:
        return True
    return not before.isalnum() and not after.isalnum()
