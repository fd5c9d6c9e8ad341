"""Words that say how something is asked rather than what it is about, by language.

Used only to weigh how much of a question a passage covers; the index itself keeps every word,
because the inverse document frequency already makes common ones light.
"""

_LISTS = {
    "en": """a about above after again all am an and any are as at be because been before being
        below between both but by can could did do does doing don down during each few for from
        further get give had has have having he her here hers him his how i if in into is it its
        just let many me more most much my name no nor not now of off on once one only or other
        our out over own please s same she should so some such t tell than that the their them
        then there these they this those through to too under until up us very was we were what
        when where which while who whom whose why will with would you your""",
    "es": """a al algo algunos ante antes aquí así aunque cada como cómo con contra cual cuál
        cuáles cuando cuándo cuánta cuántas cuánto cuántos de del desde donde dónde dos durante e
        el él ella ellos en entre era eran es esa ese eso esta está están este esto estos fue
        fueron ha había han hasta hay la las le les lo los más me mi mis mucho muy ni no nos o os
        otra otro para pero por porque puede puedo que qué quién quiénes se según ser si sí sin
        sobre son su sus también tan te tiene todo todos tu tus un una unas uno unos y ya yo""",
    "de": """ab aber alle als also am an auch auf aus bei bin bis bitte da damit dann das dass dein
        dem den denn der des die dies diese diesem diesen dieser dieses doch dort du durch ein eine
        einem einen einer eines er es etwas für gab gibt habe haben hat hatte hatten hier ich ihr
        ihre im in ist ja jede jeder kann kein keine können man mehr mein meine mich mir mit muss
        nach nicht noch nun nur ob oder ohne sein seine sich sie sind so über um und uns unter viel
        viele vom von vor wann war waren warum was welche welchem welchen welcher welches wem wen
        wenn wer werden wessen wie wieso wird wo wurde wurden zu zum zur zwischen""",
    "fr": """à ai au aucun aussi autre aux avait avec avez c ce cela ces cet cette ceux chaque
        combien comme comment d dans de des donc dont du elle elles en entre est et était étaient
        être eu fait faut il ils j je l la le les leur leurs lors lui m ma mais me même mes mon n
        ne nos notre nous on ont ou où par pas plus pour pourquoi pouvez puis-je qu quand que quel
        quelle quelles quels qui quoi s sa sans se ses si son sont sous sur t ta te tes ton tous
        tout toute très tu un une vos votre vous y""",
    "pt": """a ao aos as às até com como cada da das de dela dele deles do dos e é ela elas ele eles
        em entre era eram essa esse esta está estão este eu foi foram há isso isto já lhe mais mas
        me meu meus minha muito na nas não nem no nos nós o onde os ou para pela pelas pelo pelos
        por porque posso pode qual quais quando quanta quantas quanto quantos que quê quem se sem
        ser seu seus só sobre são sua suas também te tem têm teu um uma umas uns você vocês""",
    "it": """a ad agli ai al alla alle anche c che chi ci come con contro cosa cui d da dagli dai
        dal dalla dalle degli dei del della delle dello di dove dov e è ed era erano essere fra fu
        gli ha hanno ho i il in io l la le lei lo loro lui ma mi mia mio ne negli nei nel nella
        nelle noi non o ogni per perché più può posso quale quali quando quanta quante quanti
        quanto quella quello questa questo se sei si sia solo sono sta su sua sue sugli sul sulla
        suo suoi tra tu tua tuo un una uno voi""",
    "nl": """aan al alle als bij bent ben dan dat de der deze die dit doen door een eens en er had
        heb hebben heeft hem het hij hoe hoeveel hun ik in is ja je kan kunnen maar me meer men met
        mij mijn moet na naar niet nog nu of om onder ons ook op over te tegen tot u uit uw van
        veel voor waar waarom wanneer waren was wat we welk welke werd wie wiens wij worden wordt
        zal ze zei zich zij zijn zo zou""",
    "pl": """a aby ale ani bardzo bez być był była było były co czego czemu czy czym dla do gdy
        gdzie i ich ile ilu ja jak jaka jaki jakie jakiego jakiej jako je jego jej jest jestem już
        kiedy kim kogo komu kto która które którego której który których ma mam mi mnie mogę można
        może mu na nad nie niż o od on ona one oni oraz po pod przed przez przy się są ta tak także
        tam te tego tej ten to tu ty tylko tym w we wiele więc z za ze że""",
    "tr": """acaba ama ancak ben beni bir bu bunu çok da daha de değil diye en gibi göre hangi hangisi
        hem her için ile ise kaç kadar ki kim kimdi kimin mi mı mu mü ne neden nedir nelerdir nasıl
        nerede neresi nereye niye o olan olarak oldu olduğu olur onu onun sen şey şu ve veya ya
        yapılır zaman""",
    "ro": """a acest această acești ai al ale am ar are au avea ca care câți câte când ce cea cei
        cel cele cine cu cum cât da de decât deja despre din după e ea ei el ele era eram erau este
        eu fi fost în între își la le lui mai mea meu mult nu o ori pe pentru poate prin sa sale
        sau să se sunt său te tu un una unde unei unui unul și ți""",
    "sv": """alla att av blev bli de dem den denna det detta dig din du där då efter ej eller en er
        ett från för ha hade han har hon hos hur hvad i in inte jag kan kunde man med mellan men
        mig min mot mycket ni nu när något och om oss på sig sin ska skulle som så till under upp
        ut vad var varför vara vem vid vilka vilken vilket är över""",
    "ru": """а без бы был была были было быть в вам вас ведь во вот все всего всех вы где да для до
        его ее её если есть еще ещё же за и из или им их к как какая какие каким каких какого какое
        какой каком какую кем ко когда кого который которая которые которого ли между меня мне
        много может можно мой моя мы на над надо не него нее ней нет ни них но о об он она они оно
        от очень по под почему при с сколько со так такой также там те тем то того тоже той только
        том ты у уже чего чей чем что чтобы эта эти это этого этой этом этот я""",
    "el": """από αυτά αυτή αυτό αυτός αν για γιατί δεν εγώ είναι ένα ένας έχει έχουν ή η ήταν θα και
        κατά με μετά μην μια μία μου μπορώ να ο οι όπως όταν ότι που πού ποια ποιά ποιες ποιο ποιοι
        ποιος ποιός ποιων πόσα πόσες πόσο πόσοι πότε πώς πως σας σε στα στη στην στις στο στον στους
        τα τη την της τι τις το τον του τους των χωρίς ως""",
    "ar": """أن أو أي أين إلى إن التي الذي الذين الى ان او اي بعد بين به بها تم ثم حتى حيث ذلك
        على عن عند عندما غير في فيه فيها قبل قد كان كانت كل كم كما كيف لا لم لماذا له لها ليس ما
        ماذا مع من منذ منها متى هذا هذه هل هم هناك هو هي و وقد ولا وهو وهي يكون يمكن""",
    "hi": """अपना अपनी अपने आप इन इस इसका इसकी इसके इसमें उन उनका उनकी उनके उस उसका उसकी उसके
        एक और कब करता करते करना करने कर करें कहा कहाँ का कि कितना कितनी कितने किन किस किसका किसकी
        किसके किसने किसी की कुछ के को कोई कौन कौनसा क्या क्यों गई गए गया जब जा जाता जाती जाते जिन
        जिस जो तक तथा तो था थी थे द्वारा ने नहीं पर बाद भी मुझे मेरा मैं में यह या ये रहा रहे लिए व
        वह वाले वे सा से हम हुआ हुई हुए है हैं हो होता होती होते""",
    "vi": """ai bao bị bởi cái các cho có của cùng cũng đã đang đâu đây đến để đó được gì hay hơn
        khi không là làm lại lúc mà một nào này nên nếu nhiều như những ở ra rằng rất sao sau sẽ
        tại thế thì theo tôi trên trong từ và vào về vì với""",
    "id": """ada adalah agar akan anda apa apakah atau bagaimana bagi bahwa berapa bisa dalam dan
        dari dengan di dia dimana harus ini itu jika juga kami kapan kapankah karena ke kepada
        mana mengapa mereka oleh pada saat saya sebagai siapa sudah telah tentang tidak untuk
        yang""",
    "zh": """什么 甚么 多少 哪个 哪些 哪里 哪种 哪一 一个 哪年 何时 怎么 怎样 如何 为什 为何 是什 是谁 谁是 的是
        是哪 是多 几个 么是 么时 时候 有多 有哪 些是 了什 了多 在哪 的什 么的 吗 呢 个是 可以 我们 请问
        的 了 是 在 和""",
    "ja": """です ます した して する ある いる こと もの これ それ どこ どの どん なん なに 何で いつ だれ
        誰が 何が 何を は何 ですか すか か のは には では から まで より よう とは どう うす すれ れば
        ばい いい たら たい ませ せん ました ょう でし しょ の は が を に で と も""",
    "th": """ที่ แล ละ ใน ของ เป็ ป็น มี ได้ ให้ จา าก กับ ว่า อะ ะไ ไร เท ท่า ใด เม มื่ อไ ไห หน
        ทำ ไม อย ย่ าง งไ กี่ คื ือ""",
}

STOPWORDS: frozenset[str] = frozenset(word for text in _LISTS.values() for word in text.split())
