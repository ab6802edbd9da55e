"""Packing, written plainly: one document at a time, one list per row."""


def pack(documents, context_length, bos, eos, pad):
    """Rows of tokens and their segments (document, start, length), from lists of token ids."""
    rows, segments = [], []
    for number, document in enumerate(documents):
        sequence = [*document, eos]
        start = 0
        while start < len(sequence):
            if not rows or context_length - len(rows[-1]) < 2:
                rows.append([])
                segments.append([])
            space = context_length - len(rows[-1]) - 1
            taken = sequence[start : start + space]
            rows[-1] += [bos, *taken]
            segments[-1].append((number, start, len(taken)))
            start += len(taken)
    return [row + [pad] * (context_length - len(row)) for row in rows], segments
