"""Which column may be which? What the words of a heading say, in five languages."""

import re
from collections.abc import Sequence
from typing import Final

from polarnet.readers.identity import header_words, names_a_person
from polarnet.traits import IMPAIRED_MFR, TRAITS

_PATIENT: Final = (
    r"(pat|pats|patients?|patienten?|patiente|pacientes?|subject|subj|proband(en)?|participant)"
)

_NUMBER: Final = r"(id|ids|nr|no|num|number|nummer|numero|code|kennung|n|key|pseudonym)"

_HEADINGS: Final = {
    "patient_id": rf"^{_PATIENT}$|\b{_PATIENT} ?{_NUMBER}\b|\b{_NUMBER} (de |du |del )?{_PATIENT}\b"
    rf"|\bmrn\b|\bpid\b|^record (id|no|number)$|\bhospital ?{_NUMBER}\b",
    "stress_agent": r"stress (agent|agens)|stressor|vasodilat\w*|pharmak\w*"
    r"|agente? (de )?(stress|estres)|belastungs(mittel|substanz)",
    "tracer": r"tracer|radiopharm\w*|radiofarm\w*|traceur|trazador",
    "study_id": r"stud(y|ie\w*)\b|exam\w*|\bscan\b|accession|untersuchung\w*|etude|onderzoek\w*"
    r"|estudio",
    "prior bypass": r"\bcabg\b|bypass|\bacb\b|\bacvb\b|pontage",
    "artefact": r"arti?e?fa[ck]t\w*",
    IMPAIRED_MFR: r"(impaired|reduced|low|abnormal) (mfr|cfr|mpr|(flow|perfusion) reserve)"
    r"|\b(mfr|cfr|mpr|reserve) (impaired|reduced|low|abnormal)",
    "mfr": r"\b(mfr|cfr|mpr)\b|(flow|fluss|perfusion\w*) ?reserve|reserve (coronaire|de flux)"
    r"|reserva (coronaria|de flujo)",
    "sex": r"\bsex[eo]?\b|\bsesso\b|\bgender\b|geschlecht|geslacht|\bgenero\b|\bgenre\b",
    "diabetes": r"diab\w*|\b(t[12]?)?dm ?[12]?\b|\bn?iddm\b|hb ?a1c",
    "hypertension": r"hypert[eo]n\w*|bluthochdruck|\ba? ?ht\b|\bhta\b|\bhtn\b|\bhbp\b"
    r"|high (blood pressure|bp)\b|hoge bloeddruk|hipertens\w*",
    "dyslipidemia": r"d[yi]slipid\w*|hyperlipid\w*|h[yi]perch?ol\w*|fettstoffw\w*|\bhl[dp]\b"
    r"|(high|raised|elevated) chol\w*",
    "smoking": r"smok\w*|rauch\w*|nikotin\w*|taba[ckgq]\w*|tobacco|fum(eu|a)\w*"
    r"|\bro(ken|ker|okt)\b",
    "age": r"\bage\b|\balter\b|leeftijd|\bedad\b",
    "bmi": r"\bbmi\b|\bimc\b|body mass",
}  # fmt: skip
"""Words in headings, without accents, in English, German, French, Dutch and Spanish."""

_UNLIKELY: Final = {
    "patient_id": r"\b(date|datum|fecha|age|alter)\b",
    "study_id": r"\b(date|datum|fecha|time|zeit|type|typ|name|arm|group)\b|datum|untersucher",
    "tracer": r"dos[ei]s?|activ|aktiv|\bmbq\b",
    "stress_agent": r"dos[ei]s?|\bmg\b",
    "prior bypass": r"gastr|magen|cardiopulm|\btime\b|zeit\b|dauer|duration|\bmin(utes?)?\b"
    r"|surgeon|chirurg|operateur",
    "mfr": r"\b(lad|rca|lcx|cx|seg\w*|\d+)\b|impaired|reduced|abnormal|manufact|\bname\b|model"
    r"|software|scanner|device|\bdate\b|datum",
    "sex": r"sexual|hormon|partner",
    "hypertension": r"pulm|portal|ocular|okul|intracran|respon[sd]|reaktion|white ?coat|cris[ie]s"
    r"|gestation|schwanger|pregnan",
    "smoking": r"\bex\b|former|ehemal|\bpack|jahre|years|\bever\b|stop|quit|cessation|passiv"
    r"|second ?hand|\bpast\b|entwohn|counsel|berat",
    "diabetes": r"dauer|duration|gestation|schwanger|pregnan|\bpra?e? ?diab|insipid|retino|neurop"
    r"|nephrop|\bfoot\b|fuss|\btype? (of|i?)\b.*diab|(diab\w*|dm) typ",
    "age": r"diagnos|menopaus|group|gruppe|categor|klasse|class|onset|death|gestation|\bfirst\b",
    "bmi": r"group|gruppe|categor|klasse|class|percentil",
}
"""Words beside them that mean something else."""

_NOT_THE_DIAGNOSIS: Final = (
    r"\bfam(il\w*)?\b|\bf ?hx?\b|heredit\w*|erblich\w*|parent|\beltern|mother|father|mutter|vater"
    r"|sibling|geschwister|brother|sister|relative"
    r"|\banti\w*|medi[ck]\w*|therap\w*|treat\w*|drug|behand\w*|traitement|tratamiento|statin"
    r"|lowering|insulin"
    r"|\b(date|datum|fecha|since|seit|years?|onset|age|alter|comment|kommentar)\b|datum"
)
"""Words beside a trait's that make it one of the family, a drug, or a day: not the diagnosis."""

_NEGATED: Final = r"\b(no|non\w*|not|never|kein\w*|nicht\w*|without|ohne|sans|sin|pas|geen|niet)\b"
"""Words beside a trait's that turn its labels round."""


def candidates(headings: Sequence[str]) -> dict[str, list[str]]:
    """Columns that may be each of the things we look for; no column is two of them.

    >>> [what for what, found in candidates(["Patient Sex", "PatNr"]).items() if found]
    ['patient_id', 'sex']
    """
    found: dict[str, list[str]] = {what: [] for what in _HEADINGS}
    for heading in headings:
        words = header_words(heading)
        for what, pattern in _HEADINGS.items():
            # Hospital numbers may be ids, because ids are replaced; names never are.
            is_id = what.endswith("_id") and not re.search(r"name|naam|nom\b|nombre", words)
            is_allowed = is_id or not names_a_person(heading)
            if re.search(pattern, words) and is_allowed and not _is_another(what, words):
                found[what].append(heading)
                break
    return found


def is_same_thing(long: str, short: str) -> bool:
    """Whether a heading with its group before it says the same as the heading alone.

    >>> [is_same_thing(f"{group}: Diabetes", "Diabetes") for group in ("Risks", "Family history")]
    [True, False]
    """
    if short in ("study_id", "patient_id"):
        return True

    def meant(heading: str) -> list[str]:
        return [what for what, found in candidates([heading]).items() if found]

    return meant(long) == meant(short) and names_a_person(long) == names_a_person(short)


def _is_another(what: str, words: str) -> bool:
    """Whether words beside the known ones make it another thing."""
    others = [_UNLIKELY[what]] if what in _UNLIKELY else []
    others += [_NOT_THE_DIAGNOSIS] if what in TRAITS else []
    # "Smoking (yes/no)" says how it is coded; "no diabetes" is the opposite of the trait.
    is_coding = re.search(r"\b(yes|ja|oui|si)\b", words) is not None
    others += [_NEGATED] if what in TRAITS and not is_coding else []
    return any(re.search(other, words) for other in others)
