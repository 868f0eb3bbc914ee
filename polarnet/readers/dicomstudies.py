"""Which row of the table does a DICOM file belong to? The same attribute decides for all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from polarnet.ids import normal_id
from polarnet.readers.reading import ReadFile, ReadMap

_TOLD: Final = {
    ("accession", "study"): "accession number = study id",
    ("study_uid", "study"): "study instance UID = study id",
    ("patient_id", "study"): "patient id = study id",
    ("patient_id", "patient"): "patient id, of patients with a single row",
}
"""What is tried, in this order; the study id of DICOM, often 1 for everybody, is not."""


def tied_to_table(
    files: Sequence[ReadFile], patients: Mapping[str, str]
) -> tuple[list[ReadFile], str]:
    """Files whose DICOM maps have the study id of a row, or their study UID where there is none.

    Parameters
    ----------
    patients
        Study id -> patient id, of all rows; empty where there is no table.

    Returns
    -------
    The files, and what decided, in one line; "" where there are no DICOM maps.
    """
    maps = [found for file in files for found in file.maps if found.ids]
    if not maps:
        return list(files), ""
    rows = {way: _rows(way, patients) for way in _TOLD}
    n_met = {
        (attribute, kind): sum(_folded(found.ids[attribute]) in some for found in maps)
        for (attribute, kind), some in rows.items()
    }
    way = max(n_met, key=lambda one: n_met[one])
    if not n_met[way]:
        return [_named(file, {}, "study_uid") for file in files], (
            "No accession number, study UID or patient id of the DICOM files is in the table."
            if patients
            else ""
        )
    named = [_named(file, rows[way], way[0]) for file in files]
    told = f"DICOM files belong to rows by {_TOLD[way]}: {n_met[way]} of {len(maps)} maps"
    return _with_doubts(named, patients), told


def _rows(way: tuple[str, str], patients: Mapping[str, str]) -> dict[str, str]:
    """What an attribute may be -> study id of the row."""
    if way[1] == "study":
        return {_folded(study): study for study in patients if study.strip()}
    single: dict[str, list[str]] = {}
    for study, patient in patients.items():
        if patient.strip():
            single.setdefault(_folded(patient), []).append(study)
    return {patient: studies[0] for patient, studies in single.items() if len(studies) == 1}


def _with_doubts(files: Sequence[ReadFile], patients: Mapping[str, str]) -> list[ReadFile]:
    """The files; where ids of patients are those of the table, maps of another one say so."""
    agreeing = {
        found.study
        for file in files
        for found in file.maps
        if found.ids and _folded(found.ids["patient_id"]) == _folded(patients.get(found.study, ""))
    }
    if not agreeing:
        return list(files)

    def doubted(found: ReadMap) -> ReadMap:
        patient = patients.get(found.study, "") if found.ids else ""
        if not patient or _folded(found.ids["patient_id"]) == _folded(patient):
            return found
        doubt = "its file names another patient than the row of its study: is it the right one?"
        return replace(found, note="; ".join(filter(None, (found.note, doubt))))

    return [replace(file, maps=tuple(map(doubted, file.maps))) for file in files]


def _folded(id: str) -> str:
    return normal_id(id).casefold()


def _named(file: ReadFile, rows: Mapping[str, str], attribute: str) -> ReadFile:
    """The file, its DICOM maps with a study id."""
    if not any(found.ids for found in file.maps):
        return file
    maps = tuple(
        replace(found, study=rows.get(_folded(found.ids[attribute]), found.ids["study_uid"]))
        if found.ids
        else found
        for found in file.maps
    )
    return replace(file, maps=maps)
