"""Whether a sentence is in English, by its letters and by its little words."""

from __future__ import annotations

import re
import unicodedata

from nlapi.planner.language.text import Kind, Sentence

_LANGUAGES: dict[str, str] = {
    "German": """
        der die das und ist sind nicht ein eine einen einem den dem des mit für von zu auf ich mir mich wir
        bitte zeige zeig liste lösche alle wie viele welche welcher wird haben hat gibt es meine meinen im
        am aus bei nach über heißt wann wo warum kannst erstelle ändere kein keine
    """,
    "Spanish": """
        el la los las una unos y es son está están de del con para por en que qué cuál cuáles cuántos
        cuántas muestra muéstrame lista borra elimina todas todos mis mi hay dónde cómo quiero puedes crea
        cambia activas activos
    """,
    "French": """
        le la les un une des du et est sont pas avec pour par dans sur je moi nous vous quel quelle quels
        quelles combien montre montrez liste supprime toutes tous mes mon ma où comment veux peux crée
        actives actifs aux
    """,
    "Portuguese": """
        o os uma uns e é são não de do da dos das com para por em no na que qual quais quantos quantas
        mostre mostra liste apague todas todos minhas meus minha meu há onde como quero pode crie ativas
        ativos
    """,
    "Italian": """
        il lo gli una e è sono non di del della dei delle con per in su che quale quali quanti quante mostra
        mostrami elenca cancella tutte tutti mie miei mia mio dove come voglio puoi crea attive attivi
    """,
    "Dutch": """
        de het een en is zijn niet met voor van naar op ik mij wij alsjeblieft toon laat zien lijst
        verwijder alle hoeveel welke wordt hebben heeft mijn waar hoe wil kun maak actieve
    """,
}
_ENGLISH = frozenset(
    """
    the a an of is are was to for with and or my me i you it in on at by from all what which who how
    many show list get give find create add make delete remove update change set pause this that do does
    can could please tell has have not no be as
    """.split()
)
_WORDS = {name: frozenset(words.split()) - _ENGLISH for name, words in _LANGUAGES.items()}
_SCRIPTS = {
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CJK": "Chinese",
    "CYRILLIC": "a language in Cyrillic letters",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "GREEK": "Greek",
    "THAI": "Thai",
    "DEVANAGARI": "Hindi",
}
_LEAST = 2
"""Little words of a language that have to be there, and more of them than of English."""


def foreign(sentence: Sentence) -> str:
    """The language that a sentence plainly is in, when that is not English; else ""."""
    text = sentence.text
    for span in sentence.spans:
        if span.kind in (Kind.QUOTED, Kind.JSON, Kind.LITERAL):
            text = text[: span.start] + " " * (span.end - span.start) + text[span.end :]
    letters = [char for char in text if char.isalpha()]
    scripts = [script for char in letters if not char.isascii() and (script := _script(char))]
    if len(scripts) * 3 > len(letters):
        return next((_SCRIPTS[one] for one in ("HIRAGANA", "KATAKANA") if one in scripts), _SCRIPTS[scripts[0]])
    words = [word.lower() for word in re.findall(r"[^\W\d_]+", text)]
    english = sum(word in _ENGLISH for word in words)
    found = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    best = max(found, key=found.__getitem__)
    return best if found[best] >= _LEAST and found[best] > english else ""


def _script(char: str) -> str:
    return next((script for script in _SCRIPTS if unicodedata.name(char, "").startswith(script)), "")
