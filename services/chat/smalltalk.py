"""What people say around a question: greetings, thanks, yes and no. Whole messages, folded.

A thank-you that is looked up in the knowledge finds nothing, and two in a row would call a
person; so these few are known by heart, in every language at once.
"""

from services.chat.words import fold

LONGEST = 30  # characters; beyond that something is asked
_EDGES = " .!?¡¿,;:。！？،؟।…~)(-\"'"

GREETINGS = {
    "hi", "hello", "hey", "hi there", "hello there", "good morning", "good afternoon",
    "good evening", "hi all", "greetings", "hola", "buenos dias", "buenas tardes", "buenas",
    "buenas noches", "hallo", "guten tag", "moin", "guten morgen", "guten abend", "servus",
    "bonjour", "salut", "bonsoir", "coucou", "ola", "bom dia", "boa tarde", "boa noite", "oi",
    "ciao", "buongiorno", "buonasera", "salve", "hoi", "goedendag", "goedemorgen", "goedemiddag",
    "goedenavond", "dag", "czesc", "dzien dobry", "hej", "witam", "merhaba", "selam", "gunaydin",
    "iyi gunler", "привет", "здравствуйте", "добрый день", "здравствуй", "добрый вечер", "مرحبا",
    "السلام عليكم", "اهلا", "नमस्ते", "नमस्कार", "हैलो", "你好", "您好", "嗨", "こんにちは", "もしもし",
    "おはよう", "おはようございます", "こんばんは",
}  # fmt: skip

THANKS = {
    "thanks", "thank you", "thx", "ty", "thanks a lot", "thank you very much", "many thanks",
    "thank you so much", "thanks so much", "great thanks", "great thank you", "ok thanks",
    "ok thank you", "perfect thanks", "perfect", "great", "cheers", "awesome", "gracias",
    "muchas gracias", "mil gracias", "ok gracias", "danke", "vielen dank", "danke schon",
    "dankeschon", "danke sehr", "ok danke", "super danke", "alles klar danke", "merci",
    "merci beaucoup", "ok merci", "obrigado", "obrigada", "muito obrigado", "muito obrigada",
    "valeu", "grazie", "grazie mille", "ok grazie", "dank je", "dank u", "bedankt", "dank je wel",
    "dank u wel", "hartelijk dank", "dzieki", "dziekuje", "dziekuje bardzo", "wielkie dzieki",
    "tesekkurler", "tesekkur ederim", "cok tesekkurler", "sag ol", "sagol", "спасибо",
    "большое спасибо", "спасибо большое", "благодарю", "شكرا", "شكرا جزيلا", "شكرا لك", "धन्यवाद",
    "शुक्रिया", "बहुत धन्यवाद", "谢谢", "谢谢你", "谢谢您", "多谢", "非常感谢", "ありがとう",
    "ありがとうございます", "ありがとうございました", "どうも",
}  # fmt: skip

GOODBYES = {
    "bye", "goodbye", "bye bye", "see you", "adios", "hasta luego", "tschuss", "auf wiedersehen",
    "au revoir", "a bientot", "tchau", "ate logo", "arrivederci", "tot ziens", "doei",
    "do widzenia", "pa pa", "hosca kal", "gorusuruz", "до свидания", "пока", "مع السلامه",
    "अलविदा", "再见", "拜拜", "さようなら", "thanks bye",
}  # fmt: skip

YES = {
    "yes", "yes please", "yeah", "yep", "yup", "sure", "ok", "okay", "please", "please do",
    "yes i would", "of course", "si", "si por favor", "por favor", "claro", "vale", "ja", "ja bitte",
    "bitte", "gerne", "ja gerne", "oui", "oui s'il vous plait", "s'il vous plait", "d'accord",
    "volontiers", "bien sur", "sim", "sim por favor", "com certeza", "si grazie", "certo", "volentieri",
    "ja graag", "graag", "tak", "tak prosze", "prosze", "poprosze", "evet", "evet lutfen", "lutfen",
    "olur", "tamam", "да", "да пожалуйста", "пожалуйста", "конечно", "хорошо", "نعم", "نعم من فضلك",
    "اجل", "من فضلك", "हां", "हाँ", "जी", "जी हां", "जी हाँ", "是", "是的", "好", "好的", "可以", "要",
    "需要", "はい", "お願いします", "はい、お願いします", "はいお願いします", "ええ",
}  # fmt: skip

NO = {
    "no", "no thanks", "no thank you", "nope", "not now", "no need", "it's fine", "never mind",
    "nevermind", "no gracias", "nein", "nein danke", "nicht notig", "non", "non merci", "pas besoin",
    "nao", "nao obrigado", "nao obrigada", "no grazie", "nee", "nee dank je", "nee bedankt", "nie",
    "nie dziekuje", "hayir", "hayir tesekkurler", "gerek yok", "нет", "нет спасибо", "не надо",
    "не нужно", "لا", "لا شكرا", "नहीं", "नहीं धन्यवाद", "जी नहीं", "不", "不用", "不用了", "不需要",
    "不用谢谢", "いいえ", "いえ", "結構です", "いいえ、結構です", "大丈夫です",
}  # fmt: skip

BOT_QUESTIONS = {
    "are you a bot", "are you a robot", "are you human", "are you a human", "are you a person",
    "are you a real person", "are you an ai", "are you ai", "am i talking to a bot",
    "am i talking to a human", "am i talking to a real person", "is this a bot", "is this a human",
    "eres un bot", "eres un robot", "eres humano", "eres una persona", "eres una persona real",
    "bist du ein bot", "bist du ein mensch", "bist du ein roboter", "sind sie ein bot",
    "sind sie ein mensch", "es-tu un robot", "etes-vous un robot", "etes-vous un humain",
    "etes vous un robot", "tu es un robot", "voce e um robo", "voce e humano", "voce e uma pessoa",
    "sei un bot", "sei un robot", "sei umano", "sei una persona", "ben je een bot", "ben je een robot",
    "ben je een mens", "czy jestes botem", "czy jestes czlowiekiem", "sen bot musun",
    "sen robot musun", "insan misin", "ты бот", "вы бот", "ты робот", "вы робот", "вы человек",
    "هل انت روبوت", "هل انت انسان", "क्या आप रोबोट हैं", "क्या आप इंसान हैं", "क्या तुम रोबोट हो",
    "你是机器人吗", "您是机器人吗", "你是真人吗", "あなたはロボットですか", "あなたは人間ですか", "aiですか",
}  # fmt: skip


def _plain(phrases: set[str]) -> frozenset[str]:
    return frozenset(_bare(phrase) for phrase in phrases)


def _bare(message: str) -> str:
    """Folded, without what stands at its edges or between its parts."""
    return " ".join(fold(message).replace(",", " ").replace("、", "").split()).strip(_EDGES)


_GREETINGS, _THANKS, _GOODBYES = _plain(GREETINGS), _plain(THANKS), _plain(GOODBYES)
_YES, _NO, _BOT_QUESTIONS = _plain(YES), _plain(NO), _plain(BOT_QUESTIONS)


def _is(message: str, phrases: frozenset[str]) -> bool:
    return len(message) <= LONGEST and _bare(message) in phrases


def is_greeting(message: str) -> bool:
    """Whether this is a greeting and nothing else."""
    return _is(message, _GREETINGS)


def is_thanks(message: str) -> bool:
    return _is(message, _THANKS)


def is_goodbye(message: str) -> bool:
    return _is(message, _GOODBYES)


def is_yes(message: str) -> bool:
    """Whether an offer is taken."""
    return _is(message, _YES)


def is_no(message: str) -> bool:
    """Whether an offer is declined."""
    return _is(message, _NO)


def asks_who_answers(message: str) -> bool:
    """Whether they want to know if this is a machine."""
    return len(message) <= 2 * LONGEST and _bare(message) in _BOT_QUESTIONS
