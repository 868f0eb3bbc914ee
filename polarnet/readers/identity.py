"""What may identify a person: headings, dates, and ids that a spreadsheet has spoilt."""

import re
import unicodedata
from typing import Final

_MONTH: Final = (
    r"(jan(uary|uar|uari|v|vier)?|ene(ro)?|gen(naio)?|feb(ruary|ruar|ruari|rero|braio)?|fev(r|rier)?"
    r"|mar(ch|s|z|zo)?|mrz|mrt|maart|apr(il|ile)?|avr(il)?|abr(il)?|may(o)?|mai|mei|mag(gio)?"
    r"|jun(e|i|io)?|juin|giu(gno)?|jul(y|i|io)?|juil(let)?|lug(lio)?|aug(ust|ustus)?|aout|ago(sto)?"
    r"|sep(t|tember|tembre|tiembre)?|set(tembre)?|oct(ober|obre|ubre)?|okt(ober)?|ott(obre)?"
    r"|nov(ember|embre|iembre)?|dec(ember|embre)?|dez(ember)?|dic(iembre|embre)?)\.?"
)

_DATE: Final = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ t]\d{1,2}:\d{2}(:\d{2})?(\.\d+)?)?"
    r"|\d{1,2}(?P<mark>[./])\d{1,2}(?P=mark)(\d{2}|\d{4})( \d{1,2}:\d{2}(:\d{2})?)?"
    r"|\d{1,2}-\d{1,2}-\d{4}"
    r"|\d{1,2}:\d{2}(:\d{2})?"
)
"""Days and times of day in numbers."""

_MONTH_DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]{{1,2}}{_MONTH}([-. /]{{1,2}}(\d{{2}}|\d{{4}}))?"
    rf"|{_MONTH}[-. /]{{1,2}}(\d{{2}}|\d{{4}})"
)
"""What a spreadsheet makes of an id such as MAR-12 or 1-2, in six languages."""

_CLINICAL_DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]?{_MONTH}[-. /,]{{0,2}}(\d{{2}}|\d{{4}})"
    rf"|{_MONTH}[-. /]{{1,2}}\d{{1,2}}(st|nd|rd|th)?[-. /,]{{1,2}}(\d{{2}}|\d{{4}})"
    r"|(19|20)\d{2}(?P<between>[-./]?)(0[1-9]|1[0-2])(?P=between)(0[1-9]|[12]\d|3[01])(\d{6})?"
    r"|-?\d+ days?, \d{1,2}:\d{2}:\d{2}(\.\d+)?"
)
"""Days as registries and statistics programs write them; ids may look like these."""

_DAY_WITHIN: Final = re.compile(
    r"(?<![\d.,])((19|20)\d{2}[-/](0?[1-9]|1[0-2])[-/](0?[1-9]|[12]\d|3[01])"
    r"|(0?[1-9]|[12]\d|3[01])[./-](0?[1-9]|1[0-2])[./-](19|20)?\d{2}"
    r"|(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(19|20)?\d{2})(?![\d])"
    r"|(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(19|20)\d{2}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[-. ]{{1,2}}{_MONTH}[-. ]{{1,2}}(19|20)\d{{2}}(?!\d)"
)
"""Days beside a time, a zone or words."""

ROUNDED: Final = re.compile(r"\d[.,]\d+e\+\d+")
"""What a spreadsheet makes of an id of more than eleven digits."""

_PERSON: Final = re.compile(
    r"""
    \b(
      # name, in English, German, French, Dutch, Spanish, Italian
      \w*names? | (pre)?noms? | \w*naam | nombres? | apellidos? | (cog)?nome | cognom\w* | initials
    | initialen | initiales | iniciales | iniziali
      # birth
    | \w*birth(?!\ ?weight)\w* | \w*geburt\w* | geb(\ ?dat\w*)? | naissance | \w*geboorte\w* | dob
    | ddn | nacimiento | nascita
      # where they live, how they are reached
    | address\w* | adress\w* | adres(se)? | anschrift | direccion | indirizzo | \w*strasse | street
    | straat | rue | calle | plz | postleitzahl | zip(\ ?code)? | post(al)?\ ?code | code\ postal
    | codigo\ postal | city | wohnort | woonplaats | ville | ciudad | \w*phone\w* | tele?foo?n\w*
    | tel | handy\w* | mobil\w*\ ?(nr|nummer|number) | fax | e?\ ?mail | courriel | correo
      # numbers that belong to them
    | mrn | ssn | bsn | nhs | ahv\w* | kv(nr|\ nr|nummer) | sv\ ?(nr|nummer) | nss | nhc | dni | nif
    | insee | burgerservice\w* | \w*versicher\w* | sozialversicher\w* | securite\ sociale
    | seguridad\ social | social\ security | codice\ fiscale | tessera\ sanitaria
    | historia\ clinica | passport\w* | national\ id | iban | \w*insurance\ (no|nr|number|id)
    | hospital\ ?(no|nr|num|number|id|nummer) | (fall|aufnahme|krankenhaus)\ ?(nr|nummer)
    | accession\w* | pid | uid | kis | cpr | yob | jahrgang | chart | case\ (id|no|number)
    | record\ (id|no|number) | pat(ient(en)?)?s?\ ?(id|nr|no|num|number|nummer)
    )\b
    """,
    re.VERBOSE,
)

_THING: Final = re.compile(
    r"(manufacturer|hersteller|fabricant|fabrikant|fabricante|model|modell?o|modele|software|tracer"
    r"|traceur|trazador|scanner|device|gerat|apparaat|camera|agent|agens|product|produkt|drug"
    r"|medication|protocol|protokoll|version|radiopharm)"
)
"""What may have a name without being a person."""


def names_a_person(column: str) -> bool:
    """True where a column's heading promises names, birth dates, addresses or hospital numbers.

    >>> [names_a_person(c) for c in ("Nachname", "PatNr", "genome", "Software name")]
    [True, True, False, False]
    """
    words = header_words(column)
    if re.search(r"\b(sex|gender)\b.*\bat birth\b", words):
        return False
    found = [match[0] for match in _PERSON.finditer(words)]
    if _THING.search(words):
        found = [word for word in found if not re.search(r"(name|nom|naam|nombre|nome)s?$", word)]
    return bool(found)


def header_words(column: str) -> str:
    """A heading in small letters without accents, its words apart.

    >>> header_words("PatNr (Straße)")
    'pat nr strasse'
    """
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", column)
    letters = unicodedata.normalize("NFKD", parts.casefold())
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))


def is_date(cell: str) -> bool:
    """True for a day or a time of day, as spreadsheets write them.

    >>> [is_date(cell) for cell in ("12-Mar", "Mar-12", "2026-12-03", "MAR-12", "2026-12")]
    [True, True, True, False, False]
    """
    letters = unicodedata.normalize("NFKD", cell.strip())
    text = "".join(c for c in letters if not unicodedata.combining(c))
    # In capitals it is what the clinic typed; a spreadsheet would have written Mar-12.
    by_month = not text.isupper() and _MONTH_DATE.fullmatch(text.lower()) is not None
    return by_month or _DATE.fullmatch(text.lower()) is not None


def tells_a_day(cell: str) -> bool:
    """True for what may be a day where a clinical value should stand; ids are never asked so.

    >>> [tells_a_day(cell) for cell in ("12MAR2024", "Mar 12, 2024", "20240312", "20241399")]
    [True, True, True, False]
    """
    letters = unicodedata.normalize("NFKD", cell.strip().lower())
    text = "".join(c for c in letters if not unicodedata.combining(c))
    whole = is_date(cell) or _CLINICAL_DATE.fullmatch(text) is not None
    return whole or _DAY_WITHIN.search(text) is not None
