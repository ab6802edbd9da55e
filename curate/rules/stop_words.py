"""Function words of some languages, for the rule that running text holds at least two of them (Gopher, arXiv 2112.11446, A.1.1).

Articles, prepositions, conjunctions, pronouns and forms of "to be": words that sentences of a language cannot do without,
whatever their subject, and that lists, menus and keyword pages leave out. Each list holds the dozen or so that are met most in plain
prose; none needs to be complete, since two different ones in 50 words are asked for. A word may stand in several lists ("de", "in"),
since only the list of the document's own language counts.

Words are as `curate.kernels.words` sees them: folded, split at an apostrophe (French "l'eau" is "l" and "eau"), and one character each in
Chinese and Japanese, whose lists are particles of one character. Thai, Lao, Khmer and Burmese write no such particles with a
single character, so they have no list. English is Gopher's.
"""

STOP_WORDS: dict[str, tuple[str, ...]] = {
    language: tuple(words.split())
    for language, words in {
        "cs": "a v se na je že do to i s z o by ale které jsou pro jako",
        "da": "og i at det er en på til af den for med der ikke som de",
        "de": "der die und das in den von zu mit ist nicht auf ein eine dem des im für sich als",
        "en": "the be to of and that have with",
        "es": "de la que el en y a los se del las un por con una para es no",
        "fi": "ja on ei se että oli kun mutta hän ovat tai joka myös niin sen",
        "fr": "de la le et les des en un une du est que pour dans qui l d à par sur",
        "it": "di e il la che in un a per è una del della non con le si da i",
        "ja": "の に は を た が で と て も し な れ",
        "nl": "de het een en van in is dat op te met voor niet zijn aan er die",
        "no": "og i det er en på til av som for med at den ikke de har",
        "pl": "w i na z się do nie jest że to o a jak po od przez za dla",
        "pt": "de a o que e do da em um para com não uma os no se na por as",
        "ru": "и в не на что с по как это к но из у за от для то же",
        "sv": "och i att det som en på är av för den till med inte har de ett",
        "tr": "ve bir bu da de için ile çok daha ne gibi olarak o ama kadar",
        "uk": "і в на не що з та до у як за це від про але для й",
        "zh": "的 了 是 在 和 不 有 我 他 这 這 也 就 人 中 为 為 以 与 與",
    }.items()
}
