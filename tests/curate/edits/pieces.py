"""Texts that line edits have something to do with, for hypothesis."""

from hypothesis import strategies as st

PIECES = (
    *("items in cart", "Items In Cart", "Read more...", "READ MORE…", "read more", "Sign-in", "sign-in ", "3 likes", "1.2K views!", "٣ likes", "5k", "shares"),
    *("123", "²", "½", "ABC", "Ⅷ", "word", "Word", "of", "the", "a", "é", "e\u0301", "日本語", "。", "😀", "\u200b", "«", "»", "-", "_", "(", ",", "."),
    *(".", "...", "!", "?", '"', "'", "”", "[1]", "[]", "[12", "]", "[edit]", "[citation needed]", "[Edit]", "javascript", "JavaScript", "Privacy Policy"),
    *("use cookies", "{", "lorem ipsum", "x" * 1001),
    *(" ",) * 12,
    *("\t", "\u00a0", "\u3000"),
    *("\n",) * 8,
    *("\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
