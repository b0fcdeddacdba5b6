"""A certificate as one page that needs no other files."""

from keras_alt.pages.rendering import rendered


def page(certificate: dict) -> str:
    """Return the HTML of a certificate."""
    return rendered("certificate.html", **{"floats": {}, "claim": None, **certificate})
