"""Which languages a document may be in, by the language family's model."""

from curate.rules.rule import Rule

_MODEL = "lid.176, arXiv 1607.01759"

# The codes lid.176.ftz answers with.
# fmt: off
CODES = (
    "af", "als", "am", "an", "ar", "arz", "as", "ast", "av", "az", "azb", "ba", "bar", "bcl", "be", "bg", "bh", "bn", "bo", "bpy", "br", "bs", "bxr", "ca",
    "cbk", "ce", "ceb", "ckb", "co", "cs", "cv", "cy", "da", "de", "diq", "dsb", "dty", "dv", "el", "eml", "en", "eo", "es", "et", "eu", "fa", "fi", "fr",
    "frr", "fy", "ga", "gd", "gl", "gn", "gom", "gu", "gv", "he", "hi", "hif", "hr", "hsb", "ht", "hu", "hy", "ia", "id", "ie", "ilo", "io", "is", "it", "ja",
    "jbo", "jv", "ka", "kk", "km", "kn", "ko", "krc", "ku", "kv", "kw", "ky", "la", "lb", "lez", "li", "lmo", "lo", "lrc", "lt", "lv", "mai", "mg", "mhr",
    "min", "mk", "ml", "mn", "mr", "mrj", "ms", "mt", "mwl", "my", "myv", "mzn", "nah", "nap", "nds", "ne", "new", "nl", "nn", "no", "oc", "or", "os", "pa",
    "pam", "pfl", "pl", "pms", "pnb", "ps", "pt", "qu", "rm", "ro", "ru", "rue", "sa", "sah", "sc", "scn", "sco", "sd", "sh", "si", "sk", "sl", "so", "sq",
    "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "tyv", "ug", "uk", "ur", "uz", "vec", "vep", "vi", "vls", "vo", "wa", "war",
    "wuu", "xal", "xmf", "yi", "yo", "yue", "zh", "und",
)
# fmt: on

RULES = (
    Rule(name="allowed", numerator=("language.language",), comparison="in", limit=None, source=_MODEL),
    # datatrove keeps scores above the limit, not on it (a649de79, language_filter.py); FineWeb's limit is 0.65.
    Rule(
        name="min_score",
        numerator=("language.language_score",),
        comparison=">",
        limit=0.65,
        source=f"{_MODEL}; arXiv 2406.17557, section 3.1; datatrove a649de79, language_filter.py",
    ),
)
