"""Word lists for sample data."""

from __future__ import annotations

NAME_PREFIXES = (
    "Summer", "Autumn", "Winter", "Spring", "Northern", "Coastal", "Evening", "Morning", "Central", "Golden",
    "Riverside", "Harbour", "Highland", "Midnight", "Silver", "Garden",
)  # fmt: skip
GIVEN_NAMES = ("Ada", "Grace", "Alan", "Edith", "Niels", "Chien", "Rosa", "Omar", "Ines", "Tomas", "Leila", "Kofi")
FAMILY_NAMES = (
    "Lovelace", "Hopper", "Turing", "Clarke", "Bohr", "Wu", "Parks", "Haddad", "Castro", "Novak", "Rahimi", "Mensah",
)  # fmt: skip
CITIES = ("London", "Paris", "Berlin", "Madrid", "Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens")
COUNTRIES = (
    "United Kingdom", "France", "Germany", "Spain", "Portugal", "Norway", "Austria", "Ireland", "Czechia", "Greece",
)  # fmt: skip
COUNTRY_CODES = ("GB", "FR", "DE", "ES", "PT", "NO", "AT", "IE", "CZ", "GR")
SENTENCES = (
    "Reviewed and ready to go.",
    "Follows last year's plan, with a few changes.",
    "Runs until the end of the season.",
    "A first version, to be tried by a small group.",
    "Requested by the regional team.",
    "Replaces the previous one.",
    "Kept for comparison.",
)

# Nouns of items whose name is a person's.
PEOPLE = frozenset(
    "user member person customer author owner contact employee artist guest patient student driver lead agent".split()
)

# Values of a text property, by the last word of its name. Addresses and phone numbers are fictional: +44 20 7946 0xxx
# is Ofcom's range for drama.
VALUES_BY_NAME: dict[str, tuple[str, ...]] = {
    "city": CITIES,
    "town": CITIES,
    "location": CITIES,
    "place": CITIES,
    "region": ("North", "South", "East", "West", "Central", "Coast"),
    "state": ("Bavaria", "Ohio", "Bihar", "Texas", "Jalisco", "Victoria"),
    "country": COUNTRIES,
    "continent": ("Europe", "Asia", "Africa", "Oceania"),
    "currency": ("USD", "EUR", "GBP", "JPY", "SEK"),
    "language": ("en", "fr", "de", "es", "pt"),
    "locale": ("en-GB", "fr-FR", "de-DE", "es-ES", "pt-PT"),
    "timezone": ("Europe/London", "Europe/Paris", "America/New_York", "Asia/Tokyo"),
    "zone": ("Europe/London", "Europe/Paris", "America/New_York", "Asia/Tokyo"),
    "street": ("12 High Street", "4 Mill Lane", "88 Station Road", "7 Church Square"),
    "address": ("12 High Street", "4 Mill Lane", "88 Station Road", "7 Church Square"),
    "zip": ("10115", "75001", "28001", "90210", "60601"),
    "zipcode": ("10115", "75001", "28001", "90210", "60601"),
    "postcode": ("10115", "75001", "28001", "90210", "60601"),
    "phone": ("+44 20 7946 0101", "+44 20 7946 0102", "+44 20 7946 0103", "+44 20 7946 0104"),
    "mobile": ("+44 20 7946 0111", "+44 20 7946 0112", "+44 20 7946 0113"),
    "color": ("blue", "green", "red", "amber", "violet"),
    "colour": ("blue", "green", "red", "amber", "violet"),
    "company": ("Acme", "Globex", "Initech", "Umbra", "Hooli"),
    "brand": ("Acme", "Globex", "Initech", "Umbra", "Hooli"),
    "organization": ("Acme", "Globex", "Initech", "Umbra", "Hooli"),
    "genre": ("Jazz", "Classical", "Folk", "Electronic", "Rock"),
    "category": ("Books", "Music", "Travel", "Food", "Sports"),
    "tag": ("new", "popular", "seasonal", "featured", "archived"),
    "label": ("new", "popular", "seasonal", "featured", "archived"),
    "role": ("viewer", "editor", "admin"),
    "version": ("1.0.0", "1.1.0", "1.2.0", "2.0.0"),
    "gender": ("female", "male", "other"),
    "timestamp": ("2026-01-05T09:00:00Z", "2026-01-12T09:00:00Z", "2026-01-19T09:00:00Z"),
    "mime": ("image/png", "text/plain", "application/pdf"),
    "type": ("standard", "premium", "basic"),
    "status": ("active", "inactive", "pending"),
    "unit": ("kg", "m", "piece"),
    "description": SENTENCES,
    "summary": SENTENCES,
    "note": SENTENCES,
    "comment": SENTENCES,
    "message": SENTENCES,
    "text": SENTENCES,
    "body": SENTENCES,
    "content": SENTENCES,
    "reason": SENTENCES,
}

# Lists of these are empty in a successful answer.
EMPTY_LISTS = frozenset("error warning violation problem issue failure".split())

# Booleans of an ordinary item: not deleted, but enabled. `more` is False, so that a client does not page forever.
FALSE_WORDS = frozenset("deleted archived removed disabled hidden locked blocked banned expired truncated more".split())
TRUE_WORDS = frozenset("success ok valid enabled active visible available".split())

START_WORDS = frozenset("start starts begin begins from since open opens launch".split())
END_WORDS = frozenset("end ends until to expires expiry expiration due close closes deadline finish".split())
CREATED_WORDS = frozenset("created added registered inserted joined".split())
UPDATED_WORDS = frozenset("updated modified changed".split())
