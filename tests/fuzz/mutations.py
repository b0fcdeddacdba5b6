"""Damaged files: bytes and words of a right one, changed."""

from hypothesis import strategies as st

# Numbers and words that readers are not written for.
ABSURD = (
    *("", "0", "-1", "1", "0.5", "nan", "inf", "-inf", "1e999", "1e-999", "9" * 400, "-" * 50),
    *("2147483648", "-2147483649", "9223372036854775808", "0x10", "1_000", "٣", "½", "\x00"),
    *("(", ")", ";", "#", '"', "'", "[", "{", "}", ",", ":", "*", "+", "-", "END", "\n", "\r"),
    *("null", "true", "é", "\u2028", "\ud7ff", "a" * 3000, "[" * 3000, "../..", "%s", "\\"),
)


@st.composite
def damaged(draw, whole: bytes):
    """Draw bytes near `whole`: flipped, cut, repeated, left out, put elsewhere or overwritten."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        size = draw(st.sampled_from([1, 2, 4, 8, 64, 1024]))
        other = draw(st.integers(0, len(data) - 1))
        piece = bytes(data[place : place + size])
        change = draw(st.integers(0, 6))
        if change == 0:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif change == 1:
            del data[place:]
        elif change == 2:
            data[place : place + size] = draw(st.sampled_from([b"\0", b"\xff"])) * len(piece)
        elif change == 3:
            del data[place : place + size]
        elif change == 4:
            data[other:other] = piece
        elif change == 5:
            data[other : other + len(piece)] = piece
        else:
            data[place] = draw(st.integers(0, 255))
    return bytes(data)


@st.composite
def reworded(draw, text: str):
    """Draw text near `text`: words replaced, swapped, repeated or left out."""
    words = text.split(" ")
    for _ in range(draw(st.integers(1, 3))):
        i, j = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
        change = draw(st.integers(0, 4))
        if change == 0:
            words[i] = draw(st.sampled_from(ABSURD))
        elif change == 1:
            words[i], words[j] = words[j], words[i]
        elif change == 2:
            words[i:i] = words[j : j + draw(st.integers(1, 5))]
        elif change == 3 and len(words) > 1:
            del words[i]
        else:
            words[i] += draw(st.sampled_from(ABSURD))
    return " ".join(words)
